//! What became of the jobs as JUnit XML, which every service can show.

use super::result::{JobResult, Outcome};

/// One suite, a case for each job.
#[must_use]
pub fn xml(results: &[JobResult]) -> String {
    let number = |is: &dyn Fn(&Outcome) -> bool| results.iter().filter(|it| is(&it.outcome)).count();
    let failed = number(&|it| matches!(it, Outcome::Failed(_)));
    let skipped = number(&|it| matches!(it, Outcome::Skipped(_)));
    let time: f64 = results.iter().map(|it| it.time.as_secs_f64()).sum();
    let counts = format!(
        "tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\" errors=\"0\" time=\"{time:.3}\"",
        results.len()
    );
    let mut res = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    res.push_str(&format!("  <testsuite name=\"cargo xtask ci\" {counts}>\n"));
    for it in results {
        let head = format!(
            "    <testcase name=\"{}\" classname=\"ci\" time=\"{:.3}\"",
            text(&it.job),
            it.time.as_secs_f64()
        );
        res.push_str(&match &it.outcome {
            Outcome::Good => format!("{head}/>\n"),
            Outcome::Skipped(why) => {
                format!("{head}>\n      <skipped message=\"{}\"/>\n    </testcase>\n", text(why))
            }
            Outcome::Failed(problem) => {
                let first = text(problem.lines().next().unwrap_or_default());
                let all = text(problem);
                format!("{head}>\n      <failure message=\"{first}\">{all}</failure>\n    </testcase>\n")
            }
        });
    }
    res.push_str("  </testsuite>\n</testsuites>\n");
    res
}

/// A text in XML, which has no way to write most control characters.
fn text(text: &str) -> String {
    let mut res = String::new();
    for letter in text.chars() {
        match letter {
            '&' => res.push_str("&amp;"),
            '<' => res.push_str("&lt;"),
            '>' => res.push_str("&gt;"),
            '"' => res.push_str("&quot;"),
            '\n' | '\t' => res.push(letter),
            it if it.is_control() || ['\u{fffe}', '\u{ffff}'].contains(&it) => res.push('\u{fffd}'),
            it => res.push(it),
        }
    }
    res
}
