//! Pages against a strict parser, and pictures against a decoder.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mien_trainer::report::PAGE;
use roxmltree::{Document, Node, ParsingOptions};

use super::{gathered, run, store};

/// Elements that load or run something, or could.
const ACTIVE: [&str; 14] = [
    "script", "link", "iframe", "frame", "object", "embed", "applet", "base", "audio", "video", "source", "form",
    "input", "portal",
];
/// Attributes whose value is an address.
const ADDRESSES: [&str; 12] = [
    "src",
    "href",
    "srcset",
    "action",
    "formaction",
    "data",
    "poster",
    "background",
    "cite",
    "manifest",
    "ping",
    "profile",
];
/// Names of namespaces, which nobody loads.
const NAMESPACES: [&str; 2] = ["http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"];

/// Holds a page to its promises: well formed, closed in itself, every picture beside it and whole.
pub(super) fn check(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join(PAGE)).unwrap();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let page = Document::parse_with_options(&text, options).unwrap_or_else(|e| panic!("not well formed: {e}"));
    let mut beside = BTreeSet::from([PAGE.to_owned()]);
    for node in page.descendants().filter(Node::is_element) {
        let name = node.tag_name().name().to_lowercase();
        assert!(!ACTIVE.contains(&name.as_str()), "<{name}> on the page");
        for attribute in node.attributes() {
            let (key, value) = (attribute.name().to_lowercase(), attribute.value());
            assert!(!key.starts_with("on"), "{key} on the page");
            if ADDRESSES.contains(&key.as_str()) {
                assert!(value.starts_with("data:image/png;base64,"), "{key}={value:.80}");
            }
            assert!(key != "style" || !value.contains("url"), "{value}");
        }
        if name == "style" {
            let style = node.text().unwrap_or_default();
            assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("expression"), "{style}");
        }
        if name == "figure" {
            beside.insert(picture(folder, node));
        }
    }
    // Nothing that looks like an address is left but the two names.
    let rest = NAMESPACES.iter().fold(text.clone(), |text, name| text.replace(name, ""));
    assert!(!rest.contains("http:") && !rest.contains("https:"), "an address on the page");
    let found: BTreeSet<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, beside, "each picture of the page beside it, and nothing else");
    text
}

/// The file that a figure names: of the size that the page shows, and with something on it.
fn picture(folder: &Path, figure: Node<'_, '_>) -> String {
    let find = |name: &str| figure.descendants().find(|n| n.tag_name().name() == name);
    let caption: String = find("figcaption").unwrap().descendants().filter_map(|n| n.text()).collect();
    let file = caption.rsplit(' ').next().unwrap().to_owned();
    let bytes = fs::read(folder.join(&file)).unwrap();
    let image = image::load_from_memory(&bytes).unwrap_or_else(|e| panic!("{file}: {e}")).to_rgb8();
    let (width, height) = image.dimensions();
    match (find("svg"), find("img")) {
        (Some(svg), None) => {
            assert_eq!(svg.attribute("viewBox"), Some(format!("0 0 {width} {height}").as_str()));
            assert!(svg.attribute("width").is_none(), "the page decides how large it is");
            assert!(svg.descendants().filter(|n| n.tag_name().name() == "text").count() > 5, "{file} has letters");
        }
        (None, Some(img)) => {
            let size = ["width", "height"].map(|key| img.attribute(key).unwrap().parse::<u32>().unwrap());
            assert_eq!(size.map(|n| 2 * n), [width, height]);
            let encoded = img.attribute("src").unwrap().split_once(',').unwrap().1;
            assert_eq!(encoded.len(), bytes.len().div_ceil(3) * 4);
        }
        other => panic!("{file}: {other:?}"),
    }
    let colours: BTreeSet<[u8; 3]> = image.pixels().map(|p| p.0).collect();
    let dark = image.pixels().filter(|p| p.0.iter().all(|v| *v < 100)).count();
    assert!(colours.len() > 20, "{file}: {} colours", colours.len());
    assert!(dark > 500, "{file}: letters are dark, {dark} pixels are");
    file
}

/// Text of the cells of the table whose caption begins with `caption`, row by row.
fn table(text: &str, caption: &str) -> Vec<Vec<String>> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let page = Document::parse_with_options(text, options).unwrap();
    let named = |n: &Node<'_, '_>, name: &str| n.tag_name().name() == name;
    let found = page
        .descendants()
        .filter(|n| named(n, "table"))
        .find(|t| t.descendants().any(|n| named(&n, "caption") && n.text().unwrap_or_default().starts_with(caption)))
        .unwrap_or_else(|| panic!("no table {caption}"));
    let cells = |row: Node<'_, '_>| {
        row.children().filter(|n| named(n, "td")).map(|n| n.text().unwrap_or_default().to_owned()).collect()
    };
    let rows = found.descendants().filter(|n| named(n, "tr"));
    rows.map(cells).filter(|cells: &Vec<String>| !cells.is_empty()).collect()
}

#[test]
fn names_from_outside_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = r#"<script>alert("1")&'<img src=x onerror=y>{{ title }}{% if"#;
    let store = store(folder.path(), hostile);
    let runs = [run(&folder.path().join(format!("run {hostile}\u{1b}[31m")), &store, "full", &[1])];
    let out = folder.path().join(format!("report {hostile}"));
    let page = gathered(&runs, &store).unwrap().write(&out).unwrap();
    assert_eq!(page, out.join(PAGE));
    let text = check(&out);
    assert!(!text.contains("<script") && !text.contains("<img src=x") && !text.contains('\u{1b}'));
    // It is there, as text, in both tables.
    assert!(table(&text, "Runs on this page")[0][1].ends_with(&format!("run {hostile}\u{fffd}[31m")));
    let facts = table(&text, "Conditions");
    let fact = |what: &str| &facts.iter().find(|row| row[0] == what).unwrap()[1];
    assert!(fact("corpus").ends_with(hostile) && fact("corpus made from").contains(hostile), "{facts:?}");
}

#[test]
fn tables_hold_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), "store");
    let runs = [
        run(&folder.path().join("full"), &store, "full", &[1, 2]),
        run(&folder.path().join("less"), &store, "table1-row2", &[1, 2]),
    ];
    let device = burn::tensor::Device::flex();
    let mut request = super::request(&runs, &device);
    request.all_seeds = true;
    let report = mien_trainer::report::Report::gather(&request, &store, &mut |_| {}).unwrap();
    let out = folder.path().join("report");
    report.write(&out).unwrap();
    let text = check(&out);

    let evaluation = &report.runs[0].measured.evaluation;
    assert_eq!(table(&text, "A: full method, seed 1: 24 clips"), evaluation.table()[1..]);
    let gaps = table(&text, "With and without text on test");
    assert_eq!(gaps.len(), 4);
    let expected = report.runs[1].evaluations[1].1.table2("B: no MIA, no MKD, seed 2").unwrap();
    assert_eq!(gaps[3], expected[1]);
    let seeds = table(&text, "Result per seed");
    assert_eq!(seeds[1], ["2", "2", "2", "4", "2.5000", "2.7500"]);
    // Two seeds: the mean of two errors and their difference over the root of two.
    let mae = |k: usize| report.runs[0].evaluations[k].1.modes[0].metrics.mae;
    let over = table(&text, "Means over seeds");
    let spread = (mae(0) - mae(1)).abs() / 2f64.sqrt();
    assert_eq!(over[0][3], format!("{:.4} ({spread:.4})", (mae(0) + mae(1)) / 2.0));
    let settings = table(&text, "Settings as in");
    assert!(settings.contains(&vec!["network.mia".into(), "on".into(), "off".into()]));
    let splits = table(&text, "Splits of the corpus");
    assert_eq!(splits.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), ["12", "20", "24"]);
    let weights = table(&text, "Weights that were measured");
    assert_eq!((weights.len(), weights[0][3].len()), (4, 64));
    assert!(table(&text, "Conditions").contains(&vec!["made".into(), "2026-01-02 03:04 UTC".into()]));
    assert!(text.contains("Of 24 clips 10 are shown"));
}
