//! The terminal show: what happens and why, line by line, at a pace that one can read.

pub mod event;
pub mod format;
pub mod pace;
pub mod style;
pub mod summary;
pub mod words;

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write},
    time::Instant,
};

use shopwright_model::Millis;

pub use event::{Action, Deed, ShowEvent, Verdict, Wait, What};
pub use pace::Pacer;
pub use style::{Line, Style, Weight};
pub use summary::Summary;

/// Seconds between two lines that say what was left out.
const LEFT_OUT_EVERY: f64 = 5.0;
/// Seconds between two lines that say how things stand.
const STATUS_EVERY: f64 = 12.0;

/// Prints a show, and keeps its account.
pub struct Printer {
    out: Box<dyn Write + Send>,
    colour: bool,
    width: usize,
    pacer: Pacer,
    began: Instant,
    status_at: f64,
    left_out_at: f64,
    /// What time was shown last: the engine's notices may be a moment older than the world's.
    shown: Millis,
    quiet: bool,
    summary: Summary,
    held: BTreeMap<&'static str, u64>,
}

impl Printer {
    /// A printer to the standard output: coloured and as wide as the terminal, if it is one.
    #[must_use]
    pub fn stdout(lines_per_second: f64, quiet: bool) -> Self {
        let out = std::io::stdout();
        let terminal = out.is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none();
        let width = if terminal { usize::from(console::Term::stdout().size().1).max(40) } else { 200 };
        Self::new(Box::new(out), colour, width, lines_per_second, quiet)
    }

    /// A printer to anything.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, colour: bool, width: usize, lines_per_second: f64, quiet: bool) -> Self {
        Self {
            out,
            colour,
            width,
            pacer: Pacer::new(lines_per_second),
            began: Instant::now(),
            status_at: STATUS_EVERY,
            left_out_at: 0.0,
            shown: Millis::MIN,
            quiet,
            summary: Summary::default(),
            held: BTreeMap::new(),
        }
    }

    /// Takes an event into account, and tells it if there is room.
    ///
    /// # Errors
    /// When the output cannot be written, such as when a pipe is closed.
    pub fn show(&mut self, event: &ShowEvent) -> std::io::Result<()> {
        self.summary.note(event);
        if self.quiet {
            return Ok(());
        }
        self.shown = self.shown.max(event.at);
        let lines = format::lines(&ShowEvent { at: self.shown, what: event.what.clone() });
        let now = self.began.elapsed().as_secs_f64();
        if let Some(first) = lines.first() {
            if self.pacer.pass(now, first.weight, lines.len()) {
                self.left_out()?;
                for line in &lines {
                    self.line(line)?;
                }
            } else if matches!(event.what, What::Action(_)) && first.weight >= Weight::Normal {
                // Told in one line when there is room again.
                *self.held.entry(plural(&event.what)).or_default() += 1;
            }
        }
        if now >= self.status_at {
            self.status_at = now + STATUS_EVERY;
            let status = self.summary.status();
            self.line(&status)?;
        }
        Ok(())
    }

    /// Says what was left out since the line before, of what matters.
    fn left_out(&mut self) -> std::io::Result<()> {
        let now = self.began.elapsed().as_secs_f64();
        if self.held.is_empty() || now < self.left_out_at {
            return Ok(());
        }
        self.left_out_at = now + LEFT_OUT_EVERY;
        let held: Vec<String> =
            std::mem::take(&mut self.held).into_iter().map(|(what, count)| format!("{count} more {what}")).collect();
        let line = Line::new(Weight::Main).with(Style::Dim, format!("{:21}… and {}", "", held.join(", ")));
        self.line(&line)
    }

    /// Prints a line as it is.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn line(&mut self, line: &Line) -> std::io::Result<()> {
        writeln!(self.out, "{}", line.render(self.colour, self.width))?;
        self.out.flush()
    }

    /// The account so far.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The account, to add what only the host knows.
    pub const fn summary_mut(&mut self) -> &mut Summary {
        &mut self.summary
    }
}

/// What several of these are called.
fn plural(what: &What) -> &'static str {
    let What::Action(action) = what else { return "lines" };
    match (&action.verdict, &action.deed) {
        (Verdict::Denied(_), _) => "denials",
        (_, Deed::Message { .. }) => "messages",
        (_, Deed::Offer { .. }) => "discounts",
        (_, Deed::Price { .. }) => "prices",
        (_, Deed::Assigned { .. }) => "routed tickets",
        (_, Deed::Reply { .. }) => "answers",
        _ => "actions",
    }
}
