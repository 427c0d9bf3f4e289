//! The page: one file with everything in it, which asks nobody for anything.

use super::data::Timings;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// In the order in which they need each other.
const SCRIPTS: [&str; 5] = [
    include_str!("page/model.js"),
    include_str!("page/chart.js"),
    include_str!("page/tables.js"),
    include_str!("page/graph.js"),
    include_str!("page/page.js"),
];

/// # Errors
/// Never: what is written has no maps with odd keys.
pub fn page(timings: &Timings) -> anyhow::Result<String> {
    // `</script>` in a name would end the data.
    let data = serde_json::to_string(timings)?.replace('<', "\\u003c");
    let parts = [("/* style */", STYLE), ("{data}", data.as_str()), ("/* script */", &SCRIPTS.join("\n"))];
    let mut res = String::with_capacity(PAGE.len() + data.len() + 64 * 1024);
    let mut rest = PAGE;
    for (mark, content) in parts {
        // Each mark is looked for behind the one before: what is filled in is not looked at.
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        res.push_str(before);
        res.push_str(content);
        rest = after;
    }
    res.push_str(rest);
    Ok(res)
}
