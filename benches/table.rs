//! Figures in columns.

/// Prints the heads of the columns.
pub fn head(title: &str) {
    println!(
        "\n{title:<46} {:>14} {:>14} {:>8}",
        "figure", "reference", "ratio"
    );
}

/// A figure beside its reference.
pub fn row(what: &str, figure: f64, reference: f64) {
    let ratio = figure / reference;
    println!(
        "{what:<46} {:>14} {:>14} {ratio:>8.3}",
        short(figure),
        short(reference)
    );
}

/// A figure that has no reference.
pub fn alone(what: &str, figure: f64) {
    println!("{what:<46} {:>14}", short(figure));
}

/// Something to know about the figures.
pub fn note(text: &str) {
    println!("  {text}");
}

/// Four digits that count, whatever the size.
fn short(figure: f64) -> String {
    match figure.abs() {
        size if size >= 1000.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 0.01 => format!("{figure:.3}"),
        _ => format!("{figure:.3e}"),
    }
}

/// Percentile of durations in milliseconds; sorts them.
pub fn percentile(durations_ms: &mut [f64], percent: f64) -> f64 {
    durations_ms.sort_by(f64::total_cmp);
    let place = (percent / 100.0 * (durations_ms.len() as f64 - 1.0)).round();
    durations_ms
        .get(place as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
