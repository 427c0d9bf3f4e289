//! A closure as a page: a map in which each path has its share of the area. One file, which asks nothing of a network.

use serde_json::json;

use super::Closure;

/// The page's text.
///
/// # Errors
/// Never in practice: what it says can always be written as JSON.
pub fn html(closure: &Closure) -> anyhow::Result<String> {
    let row = |it: &super::Member| json!([it.path, it.size, it.retained, it.dominator, it.parent]);
    let rows: Vec<_> = closure.members.iter().map(row).collect();
    // A store path has no `<`, but who reads this must not have to know that.
    let data = serde_json::to_string(&rows)?.replace('<', "\\u003c");
    let page = include_str!("page/page.html");
    let page = page.replace("/*STYLE*/", include_str!("page/page.css"));
    let page = page.replace("/*CODE*/", include_str!("page/page.js"));
    Ok(page.replace("/*DATA*/", &data))
}
