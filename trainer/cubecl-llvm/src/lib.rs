//! Stands in for `cubecl-llvm`, whose build fetches a compiled LLVM. `cubecl-cuda` needs its types even where it compiles
//! kernels through CUDA's own run-time compiler, as the feature `cuda` of mien-trainer has it (`cubecl/cuda-cpp`). Nothing
//! here runs then. Written for cubecl 0.11.3; look again at each upgrade.
#![allow(missing_docs)]

use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_runtime::compiler::{CompilationError, Compiler};
use cubecl_runtime::kernel::BufferIOAttr;

pub mod target {
    #[derive(Clone, Copy, Debug)]
    pub enum LlvmTarget {
        Nvptx,
    }
}
pub use target::LlvmTarget;
pub mod nvptx {
    pub mod ptx_version {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct PtxVersion(i32);
        impl PtxVersion {
            pub fn for_driver(driver: i32) -> Option<Self> {
                Some(Self(driver))
            }
        }
        impl core::fmt::Display for PtxVersion {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "drv{}", self.0)
            }
        }
    }
}
pub mod shared {
    pub mod lowered_features {
        pub enum GpuTarget {
            Nvptx,
        }
        pub fn restrict_features(_p: &mut cubecl_core::ir::DeviceProperties, _t: GpuTarget) {}
    }
}
#[derive(Clone, Debug)]
pub struct PlironCompiler {
    pub target: LlvmTarget,
}
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    pub arch: Option<()>,
    pub sm_arch: Option<SmArch>,
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    pub grid_constants: bool,
    pub _other: (),
}
#[derive(Clone, Debug)]
pub struct NvptxModule {
    pub ptx: Vec<core::ffi::c_char>,
    pub entrypoint: String,
    pub ir: String,
    pub shared_memory_size: usize,
    pub io: Vec<BufferIOAttr>,
}
#[derive(Clone, Debug)]
pub enum PlironArtifact {
    NvptxCode(NvptxModule),
    Other,
}
impl core::fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("none")
    }
}
impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;
    fn compile(&mut self, _k: KernelDefinition, _o: &PlironOptions) -> Result<PlironArtifact, CompilationError> {
        panic!("built without the LLVM backend: enable cubecl's `cuda-cpp` feature")
    }
    fn extension(&self) -> &'static str {
        "ll"
    }
    fn lang_tag(&self) -> &'static str {
        ""
    }
}
