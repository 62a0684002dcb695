//! A filter of system calls that refuses internet sockets.
//!
//! It looks at the calls that make sockets and lets everything else through:
//!
//! | call | answer |
//! |---|---|
//! | `socket`, `socketpair` of the family AF_UNIX | allowed |
//! | `socket`, `socketpair` of any other family | EAFNOSUPPORT, as a kernel without that family says |
//! | `io_uring_setup` | EPERM: a ring makes and connects sockets without a further call |
//! | a call in another convention (i386, x32) | EPERM: its numbers mean other calls |
//!
//! Nothing here needs AF_NETLINK: devices are found in /dev and /sys, and the sound libraries keep to AF_UNIX. The filter
//! cannot be taken off, holds for all threads and for programs that this one starts, and needs no privilege, for it gives up
//! the right to gain any (`no_new_privs`).

use crate::{Result, RuntimeError};

/// What the system's numbers are on this processor; `None` where they are not known here.
#[derive(Clone, Copy)]
struct Numbers {
    /// `AUDIT_ARCH_*` of `linux/audit.h`.
    arch: u32,
    socket: u32,
    socketpair: u32,
    io_uring_setup: u32,
}

const NUMBERS: Option<Numbers> = if cfg!(target_arch = "x86_64") {
    Some(Numbers { arch: 0xC000_003E, socket: 41, socketpair: 53, io_uring_setup: 425 })
} else if cfg!(target_arch = "aarch64") {
    Some(Numbers { arch: 0xC000_00B7, socket: 198, socketpair: 199, io_uring_setup: 425 })
} else {
    None
};

/// Numbers of x86-64's x32 convention have this bit; no other call has.
const X32: u32 = 0x4000_0000;
const AF_UNIX: u32 = 1;
const EPERM: u32 = 1;
const EAFNOSUPPORT: u32 = 97;

/// Installs the filter for all threads of this process.
pub(super) fn install() -> Result<()> {
    let refused = |reason: String| RuntimeError::SocketFilter { reason };
    let numbers = NUMBERS.ok_or_else(|| refused("its system calls are not known on this processor".into()))?;
    #[cfg(target_os = "linux")]
    {
        let program = program(numbers);
        seccompiler::apply_filter_all_threads(&program).map_err(|error| refused(error.to_string()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = numbers;
        Err(refused("it is Linux' own".into()))
    }
}

/// The filter as the kernel takes it: a program of classic BPF over `struct seccomp_data` (number, architecture, ...,
/// arguments; `linux/seccomp.h`). A jump counts from the next line: `yes` where it holds, `no` where not.
#[cfg(target_os = "linux")]
fn program(numbers: Numbers) -> Vec<seccompiler::sock_filter> {
    let line = |code, yes, no, k| seccompiler::sock_filter { code, jt: yes, jf: no, k };
    // BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JEQ, BPF_JMP | BPF_JGE, BPF_RET, each with a constant (BPF_K).
    let load = |offset| line(0x20, 0, 0, offset);
    let equal = |value, yes, no| line(0x15, yes, no, value);
    let at_least = |value, yes, no| line(0x35, yes, no, value);
    let answer = |action| line(0x06, 0, 0, action);
    let (allow, error) = (0x7FFF_0000, 0x0005_0000);
    vec![
        load(4),                              // 0: the architecture
        equal(numbers.arch, 0, 8),            // 1: another: to 10
        load(0),                              // 2: the number
        at_least(X32, 6, 0),                  // 3: to 10
        equal(numbers.io_uring_setup, 5, 0),  // 4: to 10
        equal(numbers.socket, 2, 0),          // 5: to 8
        equal(numbers.socketpair, 1, 0),      // 6: to 8
        answer(allow),                        // 7
        load(16),                             // 8: the first argument, its low half: the kernel reads an int
        equal(AF_UNIX, 2, 1),                 // 9: to 12, or 11
        answer(error | EPERM),                // 10
        answer(error | EAFNOSUPPORT),         // 11
        answer(allow),                        // 12
    ]
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// What the kernel's machine makes of a call: the answer's action, or `None` for a program that runs off its end.
    fn answered(program: &[seccompiler::sock_filter], number: u32, arch: u32, argument: u64) -> Option<u32> {
        let (mut at, mut value) = (0, 0);
        loop {
            let line = program.get(at)?;
            at += 1;
            match line.code {
                0x20 => {
                    value = match line.k {
                        0 => number,
                        4 => arch,
                        16 => argument as u32,
                        _ => return None,
                    }
                }
                0x15 => at += usize::from(if value == line.k { line.jt } else { line.jf }),
                0x35 => at += usize::from(if value >= line.k { line.jt } else { line.jf }),
                0x06 => return Some(line.k),
                _ => return None,
            }
        }
    }

    #[test]
    fn only_sockets_of_this_machine_are_let_through() {
        let numbers = Numbers { arch: 0xC000_003E, socket: 41, socketpair: 53, io_uring_setup: 425 };
        let program = program(numbers);
        let of = |number, argument| answered(&program, number, numbers.arch, argument);
        let (allow, eperm, family) = (Some(0x7FFF_0000), Some(0x0005_0001), Some(0x0005_0061));
        for call in [41, 53] {
            assert_eq!(of(call, 1), allow);
            // The kernel reads an int, so the high half is no way around.
            assert_eq!(of(call, (1 << 32) | 1), allow);
            for other in [0, 2, 10, 16, 17, 38, 40, 0xFFFF_FFFF, 1 << 32] {
                assert_eq!(of(call, other), family, "family {other}");
            }
            assert_eq!(of(call | X32, 1), eperm);
        }
        assert_eq!(of(425, 0), eperm);
        for other in [0, 1, 40, 42, 52, 54, 56, 59, 202, 424, 426, 462] {
            assert_eq!(of(other, 2), allow, "call {other}");
        }
        for arch in [0x4000_0003, 0xC000_00B7, 0] {
            assert_eq!(answered(&program, 102, arch, 1), eperm, "another convention");
        }
    }
}
