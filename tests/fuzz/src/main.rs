//! `mien-fuzz`: the program behind `cargo xtask fuzz`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mien_fuzz::memory::Counted;
use mien_fuzz::targets::{self, ALL, Target};
use mien_fuzz::watch::{self, Plan};
use mien_fuzz::worker::{self, Work};

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const USAGE: &str = "\
mien-fuzz [--minutes N | --seconds N | --cases N] [--seed N] [--jobs N] [--findings FOLDER] [--as-found] [TARGET..]
          every target, or the named ones, a minute each; --cases: a fixed number, each a function of seed and case alone;
          --as-found: findings are not made smaller
mien-fuzz list                 the targets
mien-fuzz case TARGET FILE..   read files under the limits of a target
";

/// Cases of a target where time alone ends it.
const UNTIL_TIME: u64 = u64::MAX / 2;
/// Longest time of a fixed number of cases.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["worker", target, rest @ ..] => {
            let target = known(target)?;
            worker::run(target, &work(rest)?, &std::env::current_dir()?, &mut std::io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        ["case", target, files @ ..] if !files.is_empty() => cases(known(target)?, files),
        ["list"] => {
            for target in ALL {
                println!("{:18} {}", target.name, target.reads);
            }
            Ok(ExitCode::SUCCESS)
        }
        ["help" | "--help" | "-h", ..] => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        words => all(words),
    }
}

fn known(name: &str) -> Result<&'static Target> {
    targets::find(name).with_context(|| format!("unknown target {name}; `list` names them"))
}

/// What a worker is told: numbers, or a file.
fn work(rest: &[&str]) -> Result<Work> {
    if let [file] = rest {
        return Ok(Work::File(file.into()));
    }
    let numbers = rest.iter().map(|n| n.parse::<u64>()).collect::<std::result::Result<Vec<_>, _>>()?;
    let &[seed, first, step, end, millis, grow] = numbers.as_slice() else { bail!("{USAGE}") };
    ensure!(step > 0, "cases go on");
    Ok(Work::Cases { seed, first, step, end, time: Duration::from_millis(millis), grow: grow == 1 })
}

fn cases(target: &Target, files: &[&str]) -> Result<ExitCode> {
    let program = std::env::current_exe()?;
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let (answer, fault) = watch::case(target, &program, Path::new(file))?;
        match (answer, fault) {
            (answer, Some(fault)) => {
                println!("{file}: {}: {}", fault.kind, fault.reason);
                if let Some(answer) = answer {
                    println!("  refused: {}", answer.escape_debug());
                }
                code = ExitCode::FAILURE;
            }
            (Some(answer), None) => println!("{file}: refused: {}", answer.escape_debug()),
            (None, None) => println!("{file}: read"),
        }
    }
    Ok(code)
}

fn all(words: &[&str]) -> Result<ExitCode> {
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut plan = Plan {
        program: std::env::current_exe()?,
        seed: 1,
        cases: UNTIL_TIME,
        time: Duration::from_secs(60),
        jobs,
        grow: true,
        smaller: true,
    };
    let (mut folder, mut chosen) = (PathBuf::from("fuzz-findings"), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
        match *word {
            "--minutes" => plan.time = Duration::from_secs_f64(60.0 * value()?.parse::<f64>()?),
            "--seconds" => plan.time = Duration::from_secs_f64(value()?.parse()?),
            "--cases" => (plan.cases, plan.time, plan.grow) = (value()?.parse()?, LONGEST, false),
            "--seed" => plan.seed = value()?.parse()?,
            "--jobs" => plan.jobs = value()?.parse::<u64>()?.max(1),
            "--findings" => folder = value()?.into(),
            "--as-found" => plan.smaller = false,
            option if option.starts_with('-') => bail!("unknown option {option}\n{USAGE}"),
            name => chosen.push(known(name)?),
        }
    }
    if chosen.is_empty() {
        chosen = ALL.to_vec();
    }
    println!("{:18} {:>12} {:>9} {:>7} {:>8} {:>9}", "target", "cases", "a second", "read %", "refused", "findings");
    let (mut cases, mut findings) = (0, 0);
    for target in chosen {
        let report = watch::run(target, &plan)?;
        let percent = |n: u64| 100.0 * n as f64 / report.cases.max(1) as f64;
        println!(
            "{:18} {:12} {:9.0} {:6.1}% {:7.1}% {:9}",
            target.name,
            report.cases,
            report.cases as f64 / report.seconds.max(1e-3),
            percent(report.read),
            percent(report.refused),
            report.findings.len(),
        );
        for finding in &report.findings {
            let path = finding.save(&folder, target)?;
            println!("  {}: {}", finding.fault.kind, finding.fault.reason);
            println!(
                "    case {} of seed {}, after {:.1} s; {} bytes: cargo xtask fuzz case {} {}",
                finding.case,
                finding.seed,
                finding.after_s,
                finding.input.len(),
                target.name,
                path.display()
            );
        }
        cases += report.cases;
        findings += report.findings.len();
    }
    println!("{cases} cases, {findings} findings");
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
