//! Shows a replay to people while it runs.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over the messages of a recording; indicatif shows nothing where no terminal is.
pub fn bar(messages: u64, quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let template = "{elapsed_precise} [{bar:30}] {pos}/{len} acknowledged, {per_sec}, {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    ProgressBar::with_draw_target(Some(messages), target).with_style(style)
}
