//! Tables and plots of what criterion has measured: `plots [--readme]`.
//!
//! Reads the medians that `cargo bench` has left, prints each table in Markdown, and draws it into `plots/`.
//! With `--readme` the tables in `README.md` are renewed too: what stands between `<!-- read -->` and
//! `<!-- end -->` becomes the plot and the table of `read`, and so for each of them.
#![forbid(unsafe_code)]

mod data;
mod svg;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use data::{Row, Table};

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    run(env::args().any(|arg| arg == "--readme")).map_or_else(
        |error| {
            eprintln!("plots: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run(renew: bool) -> Result<()> {
    let tables = data::read(&criterion()?)?;
    if tables.is_empty() {
        return Err("nothing has been measured yet; run `cargo bench`".to_owned());
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let plots = here.join("plots");
    fs::create_dir_all(&plots).map_err(|error| told(&plots, error))?;
    let readme = here.join("README.md");
    let mut text = fs::read_to_string(&readme).map_err(|error| told(&readme, error))?;
    for table in &tables {
        let plot = plots.join(&table.name).with_extension("svg");
        fs::write(&plot, svg::draw(table)).map_err(|error| told(&plot, error))?;
        let markdown = markdown(table);
        println!("### {}\n{markdown}", table.name);
        text = renewed(text, &table.name, &markdown);
    }
    if renew {
        fs::write(&readme, text).map_err(|error| told(&readme, error))?;
    }
    Ok(())
}

/// Where criterion leaves its figures: in the target folder that this program stands in.
fn criterion() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CRITERION_HOME") {
        return Ok(home.into());
    }
    let exe = env::current_exe().map_err(|error| error.to_string())?;
    let target = exe.ancestors().nth(2).ok_or("this program does not know where it stands")?;
    Ok(target.join("criterion"))
}

fn told(path: &Path, error: std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Medians in nanoseconds, with the ratio to larder's in brackets.
fn markdown(table: &Table) -> String {
    let mut text = String::new();
    let mut line = |cells: Vec<String>| text.push_str(&format!("| {} |\n", cells.join(" | ")));
    let heads = table.heads();
    let peers = table.peers();
    let columns = heads.iter().map(|head| String::from(*head));
    line(columns.chain(peers.iter().map(|peer| data::label(peer))).collect());
    line(vec![String::from("---"); heads.len() + peers.len()]);
    for row in &table.rows {
        let cell =
            |peer: &String| row.medians.get(peer).map_or("".to_owned(), |median| cell(row, peer, *median));
        line(table.cells(row).into_iter().chain(peers.iter().map(cell)).collect());
    }
    text
}

fn cell(row: &Row, peer: &str, median: f64) -> String {
    match row.medians.get(data::LARDER) {
        Some(larder) if peer != data::LARDER => format!("{median:.0} ({:.1})", median / larder),
        _ => format!("{median:.0}"),
    }
}

/// The text with this table's part renewed, if it has one.
fn renewed(text: String, name: &str, markdown: &str) -> String {
    let (opening, closing) = (format!("<!-- {name} -->\n"), "<!-- end -->");
    let Some((before, rest)) = text.split_once(&opening) else { return text };
    let Some((_, after)) = rest.split_once(closing) else { return text };
    format!("{before}{opening}![{name}](plots/{name}.svg)\n\n{markdown}{closing}{after}")
}
