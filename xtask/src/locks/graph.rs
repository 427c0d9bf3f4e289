//! The inputs of all flakes as a picture: who needs whom, who follows whom, and what is there more than once.
//!
//! Plain SVG, laid out here: columns by distance from a flake, rows in the order that crosses least.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::State;
use crate::workspace::{Lock, Reference};

const WIDTH: usize = 230;
const HEIGHT: usize = 44;
const GAP_X: usize = 90;
const GAP_Y: usize = 18;
const MARGIN: usize = 24;
const LEGEND: usize = 40;
/// Fill and border of repositories that are there in several revisions; readable in grey, too.
const COLOURS: [(&str, &str); 6] = [
    ("#fde2dd", "#c0392b"),
    ("#fdf0cf", "#b7791f"),
    ("#dcefdc", "#2f855a"),
    ("#d9e8fb", "#2b6cb0"),
    ("#ead9f7", "#6b46c1"),
    ("#d8f3f0", "#197a72"),
];

/// A box: a flake of the workspace, or one revision of something.
#[derive(Debug)]
struct Item {
    title: String,
    detail: String,
    /// Empty for a flake of the workspace.
    repository: String,
    own: bool,
    column: usize,
    row: usize,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: usize,
    to: usize,
    follows: bool,
}

#[derive(Debug, Default)]
struct Graph {
    items: Vec<Item>,
    edges: BTreeSet<Edge>,
}

/// The picture as an SVG file.
#[must_use]
pub fn svg(states: &[State]) -> String {
    let mut graph = collect(states);
    place(&mut graph);
    draw(&graph)
}

/// The picture as a page that can be opened and printed by itself.
#[must_use]
pub fn html(states: &[State]) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Inputs of all flakes</title>\n<style>\n\
         body {{ font: 14px/1.4 sans-serif; margin: 1.5rem; color: #222; background: #fff }}\n\
         svg {{ max-width: 100%; height: auto }}\n\
         @media print {{ @page {{ size: landscape; margin: 1cm }} body {{ margin: 0 }} svg {{ max-height: 18cm }} }}\n\
         </style>\n<h1>Inputs of all flakes</h1>\n{}</html>\n",
        svg(states)
    )
}

fn collect(states: &[State]) -> Graph {
    let mut graph = Graph::default();
    let mut known: BTreeMap<(String, String), usize> = BTreeMap::new();
    for state in states {
        let title = if state.dir == "." { "flake.nix".to_owned() } else { state.dir.to_string() };
        let detail = match (&state.lock, state.template) {
            (Err(_), _) => "lock unreadable",
            (Ok(None), true) => "template, no lock",
            (Ok(None), false) => "no lock",
            (Ok(Some(_)), _) => "",
        };
        graph.items.push(Item {
            title,
            detail: detail.to_owned(),
            repository: String::new(),
            own: true,
            column: 0,
            row: 0,
        });
        let own = graph.items.len() - 1;
        if let Some(lock) = state.lock() {
            add(&mut graph, &mut known, state, lock, own);
        }
    }
    graph
}

fn add(
    graph: &mut Graph,
    known: &mut BTreeMap<(String, String), usize>,
    state: &State,
    lock: &Lock,
    own: usize,
) {
    let mut indices: BTreeMap<&str, usize> = BTreeMap::from([(lock.root.as_str(), own)]);
    for (key, node) in lock.nodes.iter().filter(|it| *it.0 != lock.root) {
        let Some(locked) = &node.locked else { continue };
        let repository = locked.repository();
        // A relative path is another directory in each flake.
        let place = if locked.is_relative() { state.dir.to_string() } else { String::new() };
        let id = (format!("{place} {repository}"), format!("{:?} {:?}", locked.rev, locked.nar_hash));
        let index = *known.entry(id).or_insert_with(|| {
            graph.items.push(Item {
                title: title(key, locked),
                detail: detail(locked, node.original.as_ref()),
                repository,
                own: false,
                column: 1,
                row: 0,
            });
            graph.items.len() - 1
        });
        indices.insert(key, index);
    }
    for (key, node) in &lock.nodes {
        for input in node.inputs.values() {
            if let (Some(from), Some(to)) = (indices.get(key.as_str()), indices.get(input.node.as_str()))
                && from != to
            {
                graph.edges.insert(Edge { from: *from, to: *to, follows: input.follows.is_some() });
            }
        }
    }
}

fn title(key: &str, locked: &Reference) -> String {
    match (&locked.owner, &locked.repo) {
        (Some(owner), Some(repo)) => format!("{owner}/{repo}"),
        _ => key.to_owned(),
    }
}

fn detail(locked: &Reference, original: Option<&Reference>) -> String {
    let branch = original.and_then(|it| it.git_ref.clone());
    let date = locked.last_modified.map(super::calendar::date);
    let parts = [Some(locked.short()).filter(|it| it != "-"), date, branch];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Columns by the longest way from a flake, where that is not absurd; rows by where the neighbours stand.
fn place(graph: &mut Graph) {
    for _ in 0..graph.items.len().min(12) {
        for edge in graph.edges.iter().filter(|it| !it.follows) {
            let least = graph.items[edge.from].column + 1;
            if graph.items[edge.to].column < least && !graph.items[edge.to].own {
                graph.items[edge.to].column = least;
            }
        }
    }
    let columns = graph.items.iter().map(|it| it.column).max().unwrap_or(0);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); columns + 1];
    for (index, item) in graph.items.iter().enumerate() {
        order[item.column].push(index);
    }
    for (column, members) in order.iter_mut().enumerate() {
        let centre = |index: &usize| {
            let rows =
                graph.edges.iter().filter(|it| it.to == *index && graph.items[it.from].column < column);
            let rows: Vec<usize> = rows.map(|it| graph.items[it.from].row).collect();
            // Thousandths, because only integers can be sorted by.
            rows.iter().sum::<usize>() * 1000 / rows.len().max(1)
        };
        members.sort_by_key(|it| (centre(it), *it));
        for (row, index) in members.iter().enumerate() {
            graph.items[*index].row = row;
        }
    }
}

fn left(item: &Item) -> usize {
    MARGIN + item.column * (WIDTH + GAP_X)
}

fn top(item: &Item) -> usize {
    MARGIN + item.row * (HEIGHT + GAP_Y)
}

fn draw(graph: &Graph) -> String {
    let right = graph.items.iter().map(left).max().unwrap_or(0) + WIDTH + MARGIN;
    let bottom = graph.items.iter().map(top).max().unwrap_or(0) + HEIGHT + MARGIN;
    let (width, height) = (right.max(720), bottom + LEGEND);
    let mut res = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Inputs of all flakes</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for edge in &graph.edges {
        draw_edge(&mut res, &graph.items[edge.from], &graph.items[edge.to], edge.follows);
    }
    let colours = colours(graph);
    for item in &graph.items {
        draw_item(&mut res, item, colours.get(item.repository.as_str()).copied());
    }
    let y = bottom + LEGEND / 2;
    let _ = write!(
        res,
        "<g fill=\"#444\"><path d=\"M{MARGIN} {y}h36\" stroke=\"#555\" fill=\"none\"/><text x=\"{}\" y=\"{}\">input</text>\
         <path d=\"M{} {y}h36\" stroke=\"#555\" stroke-dasharray=\"5 4\" fill=\"none\"/><text x=\"{}\" y=\"{}\">follows\
         </text><text x=\"{}\" y=\"{}\">one colour, thick border: the same repository in several revisions</text></g>\n</svg>\n",
        MARGIN + 44,
        y + 4,
        MARGIN + 110,
        MARGIN + 154,
        y + 4,
        MARGIN + 230,
        y + 4
    );
    res
}

/// A colour for each repository that is there more than once.
fn colours(graph: &Graph) -> BTreeMap<&str, (&'static str, &'static str)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in graph.items.iter().filter(|it| !it.own) {
        *counts.entry(item.repository.as_str()).or_default() += 1;
    }
    let several = counts.into_iter().filter(|it| it.1 > 1).map(|it| it.0);
    several.zip(COLOURS.iter().copied().cycle()).collect()
}

fn draw_edge(res: &mut String, from: &Item, to: &Item, follows: bool) {
    let (y1, y2) = (top(from) + HEIGHT / 2, top(to) + HEIGHT / 2);
    let dash = if follows { " stroke-dasharray=\"5 4\"" } else { "" };
    let path = if from.column < to.column {
        let (x1, x2) = (left(from) + WIDTH, left(to));
        let middle = usize::midpoint(x1, x2);
        format!("M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}")
    } else {
        // Back, or within a column: around the right side of both.
        let (x1, x2) = (left(from) + WIDTH, left(to) + WIDTH);
        let out = x1.max(x2) + GAP_X / 2;
        format!("M{x1} {y1}C{out} {y1} {out} {y2} {x2} {y2}")
    };
    let _ = writeln!(res, "<path d=\"{path}\" fill=\"none\" stroke=\"#777\"{dash}/>");
}

fn draw_item(res: &mut String, item: &Item, colour: Option<(&str, &str)>) {
    let (fill, border, width) = match (item.own, colour) {
        (true, _) => ("#333", "#333", 1),
        (false, Some((fill, border))) => (fill, border, 3),
        (false, None) => ("#f4f4f4", "#999", 1),
    };
    let text = if item.own { "#fff" } else { "#222" };
    let (x, y) = (left(item), top(item));
    let middle = if item.detail.is_empty() { y + HEIGHT / 2 + 5 } else { y + 18 };
    let _ = writeln!(
        res,
        "<g><title>{} {} {}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" \
         fill=\"{fill}\" stroke=\"{border}\" stroke-width=\"{width}\"/><text x=\"{}\" y=\"{middle}\" fill=\"{text}\" \
         font-weight=\"bold\">{}</text><text x=\"{}\" y=\"{}\" fill=\"{text}\" font-size=\"11\">{}</text></g>",
        escaped(&item.title),
        escaped(&item.detail),
        escaped(&item.repository),
        x + 10,
        escaped(&shortened(&item.title, 28)),
        x + 10,
        y + 34,
        escaped(&shortened(&item.detail, 36))
    );
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    fn state(dir: &str, fixture: &str) -> State {
        let file = format!("{}/../flake-lock/tests/locks/{fixture}.lock", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).unwrap();
        State {
            dir: dir.into(),
            source: Ok(crate::workspace::FlakeSource::default()),
            lock: Ok(Some(Lock::parse(&text, Utf8Path::new("flake.lock")).unwrap())),
            template: false,
        }
    }

    #[test]
    fn every_flake_and_revision_is_one_box() {
        let states = [state(".", "follows-of-all-kinds"), state("a<b", "follows-of-all-kinds")];
        let graph = collect(&states);
        let nodes = states[0].lock().unwrap().nodes.len();
        assert_eq!(graph.items.len(), 2 + nodes - 1, "the same revisions are the same boxes");
        let picture = svg(&states);
        assert_eq!(picture.matches("<rect x=").count(), graph.items.len());
        assert!(picture.contains("a&lt;b") && !picture.contains("a<b"));
        assert!(picture.contains("stroke-dasharray"), "follows are dashed");
        assert_eq!(picture.matches("<g>").count() + 1, picture.matches("</g>").count());
        assert!(html(&states).contains("@media print"));
    }

    #[test]
    fn boxes_never_lie_on_each_other() {
        let states = [state(".", "follows-of-all-kinds"), state("b", "git-tarball-and-file-inputs")];
        let mut graph = collect(&states);
        place(&mut graph);
        let places: BTreeSet<(usize, usize)> = graph.items.iter().map(|it| (it.column, it.row)).collect();
        assert_eq!(places.len(), graph.items.len());
    }
}
