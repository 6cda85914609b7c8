//! Instructions for each operation, as callgrind counts them: what a change costs, without a machine's noise.
//!
//! `count [PATTERN]...` prints a table of the cases whose names hold one of the patterns, beside what is kept in
//! `instructions.tsv`. `--check` fails if one takes 5 % more than is kept, and `--write` keeps what was counted.
//!
//! The program starts itself under valgrind, once for each case. There only one function is counted, so that
//! filling a store is not.
#![forbid(unsafe_code)]

mod cases;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs, thread};

use cases::{CASES, Case};

/// How much more than is kept `--check` lets pass.
const TOLERATED: f64 = 1.05;
/// The first argument of a run under valgrind; the case's name follows.
const ONE: &str = "--one";

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some(ONE) => one(args.get(1).map_or("", String::as_str)),
        _ => all(&args),
    };
    done.map_or_else(
        |error| {
            eprintln!("count: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// Under valgrind: runs a case, and prints how many operations were counted.
fn one(name: &str) -> Result<()> {
    let case = CASES.iter().find(|case| case.name == name).ok_or_else(|| format!("no case {name:?}"))?;
    // The main thread's stack begins where the environment ends, and how long copies take depends on that.
    let operations = thread::spawn(case.run).join().map_err(|_| format!("{name} panics"))?;
    println!("{operations}");
    Ok(())
}

fn all(args: &[String]) -> Result<()> {
    let (flags, patterns): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with("--"));
    if let Some(flag) = flags.iter().find(|flag| !["--check", "--write"].contains(&flag.as_str())) {
        return Err(format!("no option {flag}; there are --check and --write"));
    }
    let asked = |flag: &str| flags.iter().any(|given| *given == flag);
    let chosen = |case: &&Case| patterns.is_empty() || patterns.iter().any(|part| case.name.contains(*part));

    let valgrind = valgrind()?;
    let profiles = profiles()?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.tsv");
    let mut kept = Kept::read(&file)?;
    let with = format!("{}, {valgrind}, {}", rustc(), env::consts::ARCH);
    if !kept.with.is_empty() && kept.with != with {
        println!("kept:  {}\nhere:  {with}\n", kept.with);
    }

    println!("| case | instructions | kept | ratio |\n| --- | --- | --- | --- |");
    let mut over = Vec::new();
    for case in CASES.iter().filter(chosen) {
        let counted = count(case, &profiles)?;
        let beside = kept.counts.get(case.name).map_or(String::from("| |"), |before| {
            let ratio = counted / before;
            if ratio > TOLERATED {
                over.push(case.name);
            }
            format!("| {before:.1} | {ratio:.3}")
        });
        println!("| {} | {counted:.1} {beside} |", case.name);
        kept.counts.insert(case.name.to_owned(), counted);
    }
    println!("\nWhere they go: callgrind_annotate {}/CASE.out", profiles.display());

    if asked("--write") {
        kept.with = with;
        kept.write(&file)?;
    }
    if asked("--check") && !over.is_empty() {
        return Err(format!("over {TOLERATED} times what is kept: {}", over.join(", ")));
    }
    Ok(())
}

fn valgrind() -> Result<String> {
    let output = Command::new("valgrind").arg("--version").output().map_err(|error| {
        format!("valgrind does not start ({error}); on Debian it is `apt-get install valgrind`, and it needs Linux")
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or(String::from("rustc"), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The folder for what callgrind writes, in the target folder.
fn profiles() -> Result<PathBuf> {
    let folder = env::current_exe()
        .ok()
        .and_then(|exe| exe.ancestors().nth(2).map(|target| target.join("callgrind")))
        .ok_or("this program does not know where it stands")?;
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Instructions for each operation of a case, the mean of its runs.
fn count(case: &Case, profiles: &Path) -> Result<f64> {
    let counts = (0..case.runs).map(|_| count_once(case, profiles)).collect::<Result<Vec<f64>>>()?;
    Ok(counts.iter().sum::<f64>() / case.runs as f64)
}

fn count_once(case: &Case, profiles: &Path) -> Result<f64> {
    let exe = env::current_exe().map_err(|error| error.to_string())?;
    let out = profiles.join(case.name).with_extension("out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*counted_rounds*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(exe)
        .args([ONE, case.name])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{}: {told}", case.name));
    }
    let operations: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0.0);
    let instructions = told
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse::<f64>().ok())
        .unwrap_or(0.0);
    if operations < 1.0 || instructions < 1.0 {
        return Err(format!("{}: nothing was counted; valgrind found no symbols in this build", case.name));
    }
    Ok(instructions / operations)
}

/// The file of counts: a line that says what they were counted with, then a case and its count on each.
#[derive(Default)]
struct Kept {
    with: String,
    counts: BTreeMap<String, f64>,
}

impl Kept {
    fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Kept::default());
        }
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut kept = Kept::default();
        for line in text.lines() {
            if let Some(with) = line.strip_prefix("# ") {
                with.clone_into(&mut kept.with);
                continue;
            }
            let (name, counted) = line
                .split_once('\t')
                .and_then(|(name, counted)| Some((name, counted.parse().ok()?)))
                .ok_or_else(|| format!("{}: not a case and a number: {line:?}", file.display()))?;
            kept.counts.insert(name.to_owned(), counted);
        }
        Ok(kept)
    }

    /// In the order of the cases; what is no case any more is left out.
    fn write(&self, file: &Path) -> Result<()> {
        let lines = CASES
            .iter()
            .filter_map(|case| Some(format!("{}\t{:.1}\n", case.name, self.counts.get(case.name)?)))
            .collect::<String>();
        fs::write(file, format!("# {}\n{lines}", self.with))
            .map_err(|error| format!("{}: {error}", file.display()))
    }
}
