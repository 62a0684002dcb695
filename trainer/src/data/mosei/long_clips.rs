//! Clips that the authors keep out of training.

/// Ids of long utterances that are removed from the training split, and from no other (specification, data section 1 and
/// method section 8). By the official folds 33 of them belong to train.
pub const LONG_CLIPS: [&str; 51] = [
    "125344_0",
    "SqAiJrvHXNA_0",
    "30162_9",
    "96361_16",
    "6-0bcijTR8k_0",
    "254427_0",
    "PEBwwe0PLZ8_0",
    "JGEEA_JVriE_0",
    "skRqBxLLJkE_0",
    "d-Uw_uZyUys_1",
    "jjbOD6u7V34_16",
    "IRSxo_XXArg_11",
    "aNOuoSVlunM_5",
    "veHYwR7ge6Y_0",
    "9K5mYSaoBL4_2",
    "d-Uw_uZyUys_2",
    "139006_5",
    "245243_1",
    "4Vl6AeEkAg4_1",
    "mHEtr7PHxoA_0",
    "70710_2",
    "fsBzpr4k3rY_0",
    "wI7DDCRh4Nw_1",
    "69707_3",
    "4oeKDFIaL7o_4",
    "y3r2kk8zvl0_3",
    "6UV6ktwbLoo_0",
    "HR18U0yAlTc_5",
    "MFrwi-RibUk_3",
    "83310_2",
    "69707_4",
    "112425_10",
    "vttEPA6Xffk_1",
    "gLTxaEcx41E_3",
    "8XODJwsvBa0_2",
    "130149_5",
    "NuRvTWhELqs_5",
    "GSnt_fW8qjI_4",
    "dQ56b0bqmc8_3",
    "xkEK17UUyi4_0",
    "193291_0",
    "slLRsFFiiRc_5",
    "dQ56b0bqmc8_0",
    "275248_0",
    "cX8FScpsfLE_0",
    "243646_10",
    "SqAiJrvHXNA_6",
    "264418_7",
    "AggyS1coOb8_1",
    "XXvSLz8QmGk_11",
    "XaVYxIW0FDg_2",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_well_formed() {
        assert_eq!(LONG_CLIPS.iter().collect::<BTreeSet<_>>().len(), 51);
        assert!(LONG_CLIPS.iter().all(|id| id.rsplit_once('_').is_some_and(|(_, n)| n.parse::<u32>().is_ok())));
        // First, last, and the one that is skipped when text is simulated.
        assert_eq!((LONG_CLIPS.first(), LONG_CLIPS.last()), (Some(&"125344_0"), Some(&"XaVYxIW0FDg_2")));
        assert!(LONG_CLIPS.contains(&"dQ56b0bqmc8_0"));
    }
}
