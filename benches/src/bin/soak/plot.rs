//! The waits of each minute and memory, as text and as a picture for a light or a dark page.

use std::fmt::Write;
use std::time::Duration;

use larder_benches::histogram::{Histogram, Micros};

use super::{MEMORY, Sample};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 28.0;
const RIGHT: f64 = 72.0;
/// Waits are drawn from 100 ns to 10 s, each power of ten as far from the next.
const DECADES: [i32; 2] = [-7, 1];

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600}.end{text-anchor:end}\
line{stroke:#d0d7de}polyline{fill:none;stroke-width:2;stroke:#e36209}.second{stroke:#a8b1bb}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}line{stroke:#30363d}polyline{stroke:#f0883e}.second{stroke:#5b6672}}";

/// What is told of a minute.
fn shares(minute: &Histogram) -> [(&'static str, Duration); 4] {
    [
        ("p50", minute.quantile(0.5)),
        ("p99", minute.quantile(0.99)),
        ("p99.9", minute.quantile(0.999)),
        ("longest", minute.longest()),
    ]
}

/// Prints a minute that has just ended.
pub fn row(number: usize, minute: &Histogram, samples: &[Sample]) {
    let waits: Vec<String> = shares(minute).iter().map(|(_, wait)| Micros(*wait).to_string()).collect();
    let resident = samples.last().map_or(0, |sample| sample.resident);
    println!("| {number} | {} | {} | {:.1} MB |", minute.count(), waits.join(" | "), resident as f64 / 1e6);
}

pub fn draw(minutes: &[Histogram], samples: &[Sample]) -> String {
    let mut panels = String::new();
    waits(&mut panels, minutes);
    _ = write!(panels, "<g transform=\"translate(0,{})\">", TOP + HEIGHT + 24.0);
    memory(&mut panels, samples);
    panels.push_str("</g>\n");
    let (width, height) = (LEFT + WIDTH + RIGHT, 2.0 * (TOP + HEIGHT + 24.0));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>A soak: waits of each minute, and memory</title>\n<style>{STYLE}</style>\n{panels}</svg>\n"
    )
}

/// A step for each minute.
fn waits(svg: &mut String, minutes: &[Histogram]) {
    title(svg, "the waits of an operation in each minute");
    let [first, last] = DECADES;
    let y = |seconds: f64| {
        let share = (seconds.max(1e-9).log10() - f64::from(first)) / f64::from(last - first);
        TOP + HEIGHT * (1.0 - share.clamp(0.0, 1.0))
    };
    let names = ["100 ns", "1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s", "10 s"];
    for (exponent, name) in (first..=last).zip(names) {
        grid(svg, y(10_f64.powi(exponent)), name);
    }
    let step = WIDTH / minutes.len().max(1) as f64;
    for at in 0..4 {
        let mut points = String::new();
        let mut end = 0.0;
        for (number, minute) in minutes.iter().enumerate() {
            end = y(shares(minute)[at].1.as_secs_f64());
            let from = LEFT + number as f64 * step;
            _ = write!(points, "{from:.1},{end:.1} {:.1},{end:.1} ", from + step);
        }
        let name = shares(&Histogram::default())[at].0;
        line(svg, points.trim_end(), "", end, name);
    }
}

/// What the system says the process has, and what the store says it holds.
fn memory(svg: &mut String, samples: &[Sample]) {
    let most = samples.iter().map(|sample| sample.resident).max().unwrap_or(0).max(MEMORY as u64) as f64;
    let whole = samples.last().map_or(1.0, |sample| sample.at.as_secs_f64());
    title(svg, &format!("memory over {:.0} minutes", whole / 60.0));
    let y = |bytes: f64| TOP + HEIGHT * (1.0 - bytes / most);
    for quarter in 0..=4 {
        let bytes = most * f64::from(quarter) / 4.0;
        grid(svg, y(bytes), &format!("{:.0} MB", bytes / 1e6));
    }
    let mut curve = |of: fn(&Sample) -> f64, class, name| {
        let point = |sample: &Sample| {
            format!("{:.1},{:.1}", LEFT + WIDTH * sample.at.as_secs_f64() / whole, y(of(sample)))
        };
        let points: Vec<String> = samples.iter().map(point).collect();
        line(svg, &points.join(" "), class, samples.last().map_or(0.0, |sample| y(of(sample))), name);
    };
    curve(|sample| sample.resident as f64, "", "resident");
    curve(|sample| sample.accounted as f64, "second", "the store");
}

fn title(svg: &mut String, text: &str) {
    _ = writeln!(svg, "<text class=\"title\" x=\"8\" y=\"18\">{text}</text>");
}

fn grid(svg: &mut String, y: f64, name: &str) {
    _ = writeln!(
        svg,
        "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"end\" x=\"{}\" y=\"{:.1}\">{name}</text>",
        LEFT + WIDTH,
        LEFT - 6.0,
        y + 4.0
    );
}

fn line(svg: &mut String, points: &str, class: &str, end: f64, name: &str) {
    _ = writeln!(
        svg,
        "<polyline class=\"{class}\" points=\"{points}\"/><text x=\"{}\" y=\"{:.1}\">{name}</text>",
        LEFT + WIDTH + 6.0,
        end + 4.0
    );
}
