//! A table as horizontal bars, one panel for each row, on a light or a dark page.

use std::fmt::Write;

use super::data::{self, LARDER, Row, Table};

const PANEL: usize = 420;
/// Where bars begin, and the longest of them.
const LEFT: usize = 130;
const LONGEST: usize = 210;
const BAR: usize = 16;
const TITLE: usize = 28;
const COLUMNS: usize = 2;

/// Text takes the page's colour; larder's bars are orange, those of others grey.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.name{text-anchor:end}\
.other{fill:#a8b1bb}.larder{fill:#e36209}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.other{fill:#5b6672}.larder{fill:#f0883e}}";

/// Each panel has a scale of its own, and starts at zero.
pub fn draw(table: &Table) -> String {
    let mut panels = String::new();
    let mut top = 0;
    for pair in table.rows.chunks(COLUMNS) {
        for (column, row) in pair.iter().enumerate() {
            _ = write!(panels, r#"<g transform="translate({},{top})">"#, column * PANEL);
            panel(&mut panels, table, row);
            panels.push_str("</g>\n");
        }
        top += TITLE + BAR * pair.iter().map(|row| row.medians.len()).max().unwrap_or(0) + BAR / 2;
    }
    let (width, height) = (COLUMNS * PANEL, top);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}: median nanoseconds of an operation, shorter is better</title>\n\
         <style>{STYLE}</style>\n{panels}</svg>\n",
        table.name
    )
}

fn panel(svg: &mut String, table: &Table, row: &Row) {
    let [what, how_many] = table.heads();
    let title = match table.cells(row).as_slice() {
        [first, second] if what == "operation" => format!("{first}, {second} {how_many}"),
        [first, second] => format!("{} {first}; {how_many}: {second}", table.name),
        cells => cells.join(", "),
    };
    _ = write!(svg, r#"<text class="title" x="8" y="18">{title}</text>"#);
    let longest = row.medians.values().fold(1.0_f64, |longest, median| longest.max(*median));
    let peers = table.peers().into_iter().filter_map(|peer| Some((row.medians.get(&peer)?, peer)));
    for (at, (median, peer)) in peers.enumerate() {
        let (y, length) = (TITLE + at * BAR, (median / longest * LONGEST as f64).max(1.0));
        let class = if peer.starts_with(LARDER) { LARDER } else { "other" };
        let name = data::label(&peer).replace('`', "").replace('<', "&lt;").replace('>', "&gt;");
        _ = write!(
            svg,
            "\n<text class=\"name\" x=\"{}\" y=\"{}\">{name}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" rx=\"2\"/>\
             <text x=\"{:.1}\" y=\"{}\">{median:.0} ns</text>",
            LEFT - 6,
            y + BAR - 4,
            y + 2,
            BAR - 4,
            LEFT as f64 + length + 6.0,
            y + BAR - 4,
        );
    }
}
