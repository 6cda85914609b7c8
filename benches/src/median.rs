//! The middle of what some rounds have measured: one round that met something else does not move it.

/// Of the two in the middle the greater.
pub fn of(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.into_iter().collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
