//! The systems that a device can go back to.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::script::{Answer, GENERATIONS, Script};
use super::ssh::{Line, Ssh};
use crate::context::Context;
use crate::locks::calendar;
use crate::nix::store_path::StorePath;
use crate::report::Table;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    pub number: u32,
    /// Seconds since 1970, by the device's clock.
    pub made: i64,
    pub path: String,
    /// It is what boots.
    pub boots: bool,
    pub runs: bool,
}

/// All of them, the oldest first.
///
/// # Errors
/// When the device does not answer.
pub fn read(cx: &mut Context, ssh: &Ssh) -> anyhow::Result<Vec<Generation>> {
    let answer = ssh.ask(cx, Line::Kept, &Script::new().then(GENERATIONS), Duration::from_secs(30))?;
    Ok(parse(&answer))
}

fn parse(answer: &Answer) -> Vec<Generation> {
    let now = answer.get("generation").and_then(super::facts::generation);
    let current = answer.get("current").unwrap_or_default();
    let entry = |line: &str| {
        let mut words = line.split(' ');
        let (number, made, path) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
        Some(Generation {
            number,
            made,
            path: path.to_owned(),
            boots: now == Some(number),
            runs: path == current,
        })
    };
    let mut res: Vec<Generation> = answer.all("generation.entry").filter_map(entry).collect();
    res.sort_by_key(|it| it.number);
    res
}

/// The one to go to: `wanted`, or the one before the one that boots.
///
/// # Errors
/// When there is none, with those that there are.
pub fn choose(all: &[Generation], wanted: Option<u32>) -> anyhow::Result<&Generation> {
    let numbers = || all.iter().map(|it| it.number.to_string()).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = wanted {
        let found = all.iter().find(|it| it.number == wanted);
        return found.with_context(|| format!("there is no generation {wanted}; there are: {}", numbers()));
    }
    let boots = all.iter().find(|it| it.boots).context("the device does not say which generation boots")?;
    // A system that is only tried out is left for the one that boots.
    if !boots.runs && !all.iter().any(|it| it.runs) {
        return Ok(boots);
    }
    match all.iter().rev().find(|it| it.number < boots.number) {
        Some(before) => Ok(before),
        None => {
            bail!("there is no generation before {}, which boots; there are: {}", boots.number, numbers())
        }
    }
}

#[must_use]
pub fn table(all: &[Generation]) -> Table {
    let mut table = Table::new(&["generation", "made", "system", "is"]);
    for it in all {
        let name = it.path.parse::<StorePath>().map_or_else(|_| it.path.clone(), |it| it.name().to_owned());
        let is = match (it.runs, it.boots) {
            (true, true) => "runs, boots",
            (true, false) => "runs",
            (false, true) => "boots",
            (false, false) => "",
        };
        table.rows.push(vec![it.number.to_string(), calendar::date(it.made), name, is.to_owned()]);
    }
    table
}

#[must_use]
pub fn json(all: &[Generation]) -> Value {
    let one = |it: &Generation| json!({"generation": it.number, "made": it.made, "path": it.path, "boots": it.boots, "runs": it.runs});
    all.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generations(boots: u32, current: &str) -> Vec<Generation> {
        let entries: String =
            [10, 2, 3].iter().map(|it| format!("generation.entry={it} 0 /s{it}\n")).collect();
        parse(&Answer::parse(&format!("current={current}\ngeneration=system-{boots}-link\n{entries}")))
    }

    #[test]
    fn the_one_to_go_to() {
        let chosen =
            |all: &[Generation], wanted| choose(all, wanted).map(|it| it.number).map_err(|it| it.to_string());
        let all = generations(10, "/s10");
        assert_eq!(all.iter().map(|it| it.number).collect::<Vec<_>>(), [2, 3, 10]);
        assert_eq!((chosen(&all, None), chosen(&all, Some(2))), (Ok(3), Ok(2)));
        assert_eq!(chosen(&all, Some(4)), Err("there is no generation 4; there are: 2, 3, 10".to_owned()));
        let all = generations(2, "/s2");
        assert!(chosen(&all, None).unwrap_err().starts_with("there is no generation before 2"));
        // Something runs that is no generation at all.
        assert_eq!(chosen(&generations(3, "/other"), None), Ok(3));
    }
}
