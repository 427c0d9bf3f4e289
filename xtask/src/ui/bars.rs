//! What is shown while Nix runs: one line of totals, one line for each running build.

use std::time::{Duration, Instant};

use crate::columns::{fit_name, pad, width};
use crate::monitor::{Build, Monitor};
use crate::report::{bytes, seconds};

use super::name_of;
use super::screen::{Screen, Size, size};

/// As often as the sign turns, and not more often drawn: events come by thousands.
const TURN: Duration = Duration::from_millis(100);
const UNICODE: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII: [&str; 4] = ["|", "/", "-", "\\"];
/// What the lines of builds begin with.
const INDENT: &str = "    ";
/// A name that is cut to less says nothing.
const NAME: usize = 20;

#[derive(Debug)]
pub(super) struct Bars {
    screen: Screen,
    unicode: bool,
    colour: bool,
    since: Option<Instant>,
    drawn: Option<Instant>,
}

impl Bars {
    pub(super) fn new(unicode: bool, colour: bool) -> Bars {
        Bars { screen: Screen::new(unicode), unicode, colour, since: None, drawn: None }
    }

    pub(super) fn draw(&mut self, monitor: &Monitor, now: Instant, stopping: bool) {
        let since = *self.since.get_or_insert(now);
        let totals = totals(monitor, now.saturating_duration_since(since), self.colour);
        let mut lines = vec![if stopping { format!("stopping: {totals}") } else { totals }];
        lines.extend(builds(monitor, now, size(), self.colour));
        self.show(lines, now);
    }

    /// Lines of which the first gets the sign that turns.
    pub(super) fn show(&mut self, mut lines: Vec<String>, now: Instant) {
        if self.drawn.is_some_and(|it| now.saturating_duration_since(it) < TURN / 2) {
            return;
        }
        self.drawn = Some(now);
        let turns =
            now.saturating_duration_since(*self.since.get_or_insert(now)).as_millis() / TURN.as_millis();
        let signs: &[&str] = if self.unicode { &UNICODE } else { &ASCII };
        let sign = signs[usize::try_from(turns).unwrap_or(0) % signs.len()];
        if let Some(first) = lines.first_mut() {
            *first = format!("{sign} {first}");
        }
        self.screen.show(lines);
    }

    pub(super) fn clear(&mut self) {
        self.screen.clear();
        (self.since, self.drawn) = (None, None);
    }

    pub(super) fn above(&mut self, print: impl FnOnce()) {
        self.screen.above(print);
    }
}

fn paint(code: &str, text: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

fn totals(monitor: &Monitor, time: Duration, colour: bool) -> String {
    let mut parts = Vec::new();
    if !monitor.planned.is_empty() {
        parts.push(format!("built {} of {}", monitor.built.len(), monitor.planned.len()));
    }
    if !monitor.failures.is_empty() {
        parts.push(paint("31", &format!("{} failed", monitor.failures.len()), colour));
    }
    let copies = monitor.bytes();
    if copies.running > 0 {
        parts.push(format!(
            "copying {}: {} of {}",
            copies.running,
            bytes(copies.done),
            bytes(copies.expected)
        ));
    }
    if parts.is_empty() {
        parts.push(monitor.talk.clone().unwrap_or_else(|| "evaluating".to_owned()));
    }
    format!("{}, {}", parts.join(", "), seconds(time))
}

/// What is running, the oldest first; a remote build is two activities of one derivation.
fn running(monitor: &Monitor) -> Vec<&Build> {
    let mut res: Vec<&Build> = Vec::new();
    for build in monitor.builds.values() {
        if !res.iter().any(|it| it.drv == build.drv) {
            res.push(build);
        }
    }
    res.sort_by_key(|it| it.since);
    res
}

/// A line for each running build, as columns; those that do not fit into a third of the terminal are counted.
fn builds(monitor: &Monitor, now: Instant, size: Size, colour: bool) -> Vec<String> {
    let builds = running(monitor);
    let most = (size.rows / 3).max(1);
    let shown = builds.len().min(most);
    let rows: Vec<Row> = builds.iter().take(shown).map(|it| Row::of(it, now)).collect();
    let widest = |of: fn(&Row) -> &str| rows.iter().map(|it| width(of(it))).max().unwrap_or(0);
    let (names, phases) = (widest(|it| &it.name), widest(|it| &it.phase));
    let (times, past) =
        (widest(|it| &it.time), rows.iter().map(|it| width(&it.time) + width(&it.past)).max());
    let room = size.columns.saturating_sub(INDENT.len() + 1);
    // A narrow terminal is told what runs and for how long; how long it may take comes next, then what it is at.
    let past = past.unwrap_or(0);
    let layouts = [(phases + 2, past), (0, past), (0, times)];
    let left = |it: &(usize, usize)| room.saturating_sub(it.0 + it.1 + 2);
    let (phases, times) = layouts.into_iter().find(|it| left(it) >= names.min(NAME)).unwrap_or((0, times));
    let names = names.min(left(&(phases, times)));
    let line = |it: &Row| {
        let name = pad(&fit_name(&it.name, names), names);
        let phase = match phases {
            0 => String::new(),
            _ => format!("  {}", paint("2", &pad(&it.phase, phases - 2), colour)),
        };
        let past = if times == past { it.past.as_str() } else { "" };
        let time = format!("{}{past}", it.time);
        let time = if it.late { paint("33", &time, colour) } else { time };
        format!("{INDENT}{name}{phase}  {time}")
    };
    let mut res: Vec<String> = rows.iter().map(line).collect();
    if builds.len() > shown {
        res.push(format!("{INDENT}and {} more", builds.len() - shown));
    }
    res
}

/// One line that says that work goes on, and which.
pub(super) fn heartbeat(monitor: &Monitor, now: Instant) -> String {
    let builds: Vec<&Build> = running(monitor).into_iter().filter(|it| it.took.is_none()).collect();
    match builds.split_first() {
        Some((first, others)) => {
            let others =
                if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
            let Row { name, phase, time, past, .. } = Row::of(first, now);
            format!("still   {name}  {phase}  {time}{past}{others}")
        }
        None => {
            format!("still   {}", totals(monitor, Duration::ZERO, false).trim_end_matches(", 0.0 s"))
        }
    }
}

/// A running build, in words.
struct Row {
    name: String,
    phase: String,
    time: String,
    /// How long it took before.
    past: String,
    /// It has taken longer than it ever did.
    late: bool,
}

impl Row {
    fn of(build: &Build, now: Instant) -> Row {
        let mut phase = build.phase.as_deref().unwrap_or("building").to_owned();
        if !build.machine.is_empty() {
            phase.push_str(&format!(" on {}", build.machine));
        }
        let running = now.saturating_duration_since(build.since);
        let late = build.expected.as_ref().is_some_and(|it| running > it.longest);
        let word = if late { ", before" } else { " of" };
        let past = build.expected.as_ref().map(|it| format!("{word} {}", it.range())).unwrap_or_default();
        Row { name: name_of(&build.drv).to_owned(), phase, time: seconds(running), past, late }
    }
}
