//! The rows of the paper's Table I: the full method, and the method less one part.

use mien_models::fusion::Mia;

use super::Objective;

/// A row of Table I.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Name on the command line.
    pub name: &'static str,
    /// What the row leaves out.
    pub about: &'static str,
    /// Whether the language model's simulated text is there; without it the text stream is one zero row.
    pub simulated_text: bool,
    /// Whether the imagination blocks run.
    pub mia: Mia,
    mkd: bool,
    rs: bool,
    rnc: bool,
}

const FULL: Preset = Preset {
    name: "full",
    about: "the full method (row 7)",
    simulated_text: true,
    mia: Mia::On,
    mkd: true,
    rs: true,
    rnc: true,
};

/// All rows; the last has the names `table1-row7` and `full`.
pub const PRESETS: [Preset; 8] = [
    Preset { name: "table1-row1", about: "no LLM_g: the text is absent", simulated_text: false, ..FULL },
    Preset { name: "table1-row2", about: "no MIA and no MKD", mia: Mia::Off, mkd: false, ..FULL },
    Preset { name: "table1-row3", about: "no MIA", mia: Mia::Off, ..FULL },
    Preset { name: "table1-row4", about: "no MKD", mkd: false, ..FULL },
    Preset { name: "table1-row5", about: "no RS", rs: false, ..FULL },
    Preset { name: "table1-row6", about: "no RNC", rnc: false, ..FULL },
    Preset { name: "table1-row7", ..FULL },
    FULL,
];

impl Preset {
    /// The preset called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// `objective` less the terms that the row leaves out.
    pub fn objective(&self, objective: Objective) -> Objective {
        let kept = |term: bool, weight: f64| if term { weight } else { 0.0 };
        Objective {
            mkd1: kept(self.mkd, objective.mkd1),
            mkd2: kept(self.mkd, objective.mkd2),
            rs: kept(self.rs, objective.rs),
            rnc: kept(self.rnc, objective.rnc),
            ..objective
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_leaves_out_what_it_says() {
        let expected = [
            ("table1-row1", false, Mia::On, [0.1, 0.7, 0.13, 0.5]),
            ("table1-row2", true, Mia::Off, [0.0, 0.0, 0.13, 0.5]),
            ("table1-row3", true, Mia::Off, [0.1, 0.7, 0.13, 0.5]),
            ("table1-row4", true, Mia::On, [0.0, 0.0, 0.13, 0.5]),
            ("table1-row5", true, Mia::On, [0.1, 0.7, 0.0, 0.5]),
            ("table1-row6", true, Mia::On, [0.1, 0.7, 0.13, 0.0]),
            ("table1-row7", true, Mia::On, [0.1, 0.7, 0.13, 0.5]),
            ("full", true, Mia::On, [0.1, 0.7, 0.13, 0.5]),
        ];
        assert_eq!(expected.len(), PRESETS.len());
        for (name, simulated, mia, weights) in expected {
            let preset = Preset::find(name).unwrap();
            let objective = preset.objective(Objective::default());
            assert_eq!((preset.simulated_text, preset.mia), (simulated, mia), "{name}");
            assert_eq!([objective.mkd1, objective.mkd2, objective.rs, objective.rnc], weights, "{name}");
            assert_eq!((objective.task_complete, objective.task_missing), (0.5, 0.5), "{name}");
        }
    }
}
