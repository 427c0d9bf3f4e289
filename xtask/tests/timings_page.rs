//! The page of `--timings` in a real browser: Debian's Chromium, with real keys and a real mouse.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]
#![expect(clippy::disallowed_methods, reason = "the tests start the browser, and read their own environment")]

#[path = "timings_page/browser.rs"]
mod browser;
#[path = "timings_page/runs.rs"]
mod runs;

use std::path::PathBuf;
use std::time::Duration;

use browser::Browser;
use serde_json::json;
use xtask::timings::data::Timings;
use xtask::timings::page::page;

/// A browser with the page of a run in it, and the size of its file.
fn opened(timings: &Timings, name: &str) -> Option<(Browser, usize, Duration)> {
    if !std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|it| it.join("chromium").exists()) {
        let all = std::env::var("XTASK_TEST_REQUIRE").is_ok_and(|it| it == "all");
        assert!(!all, "this test needs chromium, and XTASK_TEST_REQUIRE=all forbids to skip it");
        eprintln!("skipped: needs chromium");
        return None;
    }
    let html = page(timings).unwrap();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("timings-{name}-{}.html", std::process::id()));
    std::fs::write(&file, &html).unwrap();
    let mut browser = Browser::start();
    browser.window(1280, 900, "light");
    let time = browser.open(&file);
    std::fs::remove_file(file).unwrap();
    assert_eq!(browser.errors, [] as [&str; 0]);
    assert_eq!(browser.requests.len(), 1, "{:?}", browser.requests);
    Some((browser, html.len(), time))
}

/// Where the bar of a derivation is on the screen.
fn place(browser: &mut Browser, node: usize) -> (f64, f64) {
    let bar = format!("timings.chart.bars().find(it => it.node === {node} && !it.transfer)");
    let at = browser.eval(&format!("timings.chart.place({bar})"));
    (at["x"].as_f64().unwrap(), at["y"].as_f64().unwrap())
}

#[test]
fn the_page_is_used() {
    let timings = runs::run(40);
    let Some((mut browser, ..)) = opened(&timings, "used") else { return };
    assert_eq!(browser.text("h1"), "build aleph#toplevel");
    assert!(browser.text("#verdict").contains("it could have been"), "{}", browser.text("#verdict"));
    // The critical path is listed, step by step.
    let steps = timings.critical.steps.clone();
    let listed = browser
        .eval("[...document.querySelectorAll('#critical-table [data-node]')].map(it => +it.dataset.node)");
    assert_eq!(listed, json!(steps));
    // The search counts, dims what does not fit, and narrows the table; Enter goes to what it found.
    browser.key("/");
    assert_eq!(browser.eval("document.activeElement.id"), "search");
    for key in ["g", "l", "i", "b", "c"] {
        browser.key(key);
    }
    let found = timings.derivations.iter().filter(|it| it.name.contains("glibc")).count();
    assert!(found > 0);
    let rows = browser.eval("[...document.querySelectorAll('#all-table tbody tr')].map(it => it.innerText)");
    let rows = rows.as_array().unwrap();
    assert!(rows.len() == found && rows.iter().all(|it| it.as_str().unwrap().contains("glibc")), "{rows:?}");
    browser.key("Enter");
    assert!(browser.text("#detail-title").contains("glibc"));
    browser.key("Escape");
    assert_eq!(browser.eval("document.getElementById('search').value"), "");
    // Zoom, by keys and by wheel, and back.
    let span = "(() => { const it = timings.chart.view(); return it.to - it.from; })()";
    let whole = browser.eval(span).as_f64().unwrap();
    browser.key("+");
    assert!(browser.eval(span).as_f64().unwrap() < whole * 0.7);
    let last = *steps.last().unwrap();
    browser.eval("document.getElementById('chart').scrollIntoView({block: 'center', behavior: 'instant'})");
    browser.key("0");
    assert!((browser.eval(span).as_f64().unwrap() - whole).abs() < 1e-9);
    let (x, y) = place(&mut browser, last);
    browser.mouse("mouseWheel", x, y, &json!({"deltaX": 0, "deltaY": -400, "modifiers": 2}));
    assert!(browser.eval(span).as_f64().unwrap() < whole * 0.5);
    browser.key("0");
    // A click on a bar tells of it and draws its neighbours; a click on a neighbour goes there.
    browser.eval(&format!("document.getElementById('scroller').scrollTop = timings.chart.bars().find(it => it.node === {last}).row * 22 - 60"));
    let (x, y) = place(&mut browser, last);
    browser.click(x, y);
    assert_eq!(browser.text("#detail-title"), timings.derivations[last].name);
    assert!(browser.text("#detail-facts").contains("on it; without it"), "{}", browser.text("#detail-facts"));
    let neighbours = browser.eval("document.querySelectorAll('#graph li button').length").as_u64().unwrap();
    assert!(neighbours > 0);
    browser.eval("document.querySelector('#graph li button.on-path').click()");
    assert_eq!(browser.text("#detail-title"), timings.derivations[steps[steps.len() - 2]].name);
    // Down is what waited for it: from the step before the last, the last.
    browser.eval("document.getElementById('chart').focus()");
    browser.key("ArrowUp");
    assert_ne!(browser.text("#detail-title"), timings.derivations[steps[steps.len() - 2]].name);
    assert!(browser.eval("document.getElementById('live').textContent.length > 10") == json!(true));
    browser.picture("selected.png");
    browser.key("Escape");
    assert_eq!(browser.eval("document.getElementById('detail').hidden"), true);
    assert_eq!((browser.errors.clone(), browser.requests.len()), (Vec::<String>::new(), 1));
}

/// Light, dark, narrow and on paper: nothing overflows, and there is something to see.
#[test]
fn the_page_is_looked_at() {
    let timings = runs::run(60);
    let Some((mut browser, ..)) = opened(&timings, "looks") else { return };
    for (name, width, scheme) in [("light", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 390, "light")]
    {
        browser.window(width, 900, scheme);
        browser.eval("new Promise(it => setTimeout(it, 100))");
        let overflow = browser.eval("document.documentElement.scrollWidth - innerWidth").as_i64().unwrap();
        assert!(overflow <= 0, "{name}: {overflow} pixels too wide");
        // Bars of at least four colours are on the canvas: it was drawn, in this scheme.
        let colours = browser.eval(
            "(() => { const it = document.getElementById('chart'); const all = new Set(); const data = \
             it.getContext('2d').getImageData(0, 0, it.width, it.height).data; \
             for (let n = 0; n < data.length; n += 4) all.add((data[n] << 16) | (data[n + 1] << 8) | data[n + 2]); return all.size; })()",
        );
        assert!(colours.as_u64().unwrap() > 6, "{name}: {colours}");
        browser.picture(&format!("{name}.png"));
    }
    browser.window(1280, 900, "dark");
    assert!(browser.print("print.pdf") > 20_000);
    // All lanes are on the paper: nothing is left to scroll to.
    let hidden = browser.eval(
        "(() => { timings.chart.print(true); const it = document.getElementById('spacer').style.height; \
         timings.chart.print(false); return it; })()",
    );
    assert_eq!(hidden, "0px");
    assert_eq!(browser.eval("document.documentElement.className"), "");
    assert_eq!(browser.errors, [] as [&str; 0]);
}

#[test]
fn a_name_is_never_markup() {
    let mut timings = runs::run(5);
    let bad = "</script><img src=x onerror=alert(1)>{data}/* script */";
    timings.derivations[3].name = bad.to_owned();
    timings.target = bad.to_owned();
    let Some((mut browser, ..)) = opened(&timings, "markup") else { return };
    assert_eq!(browser.text("h1"), bad);
    assert_eq!(browser.eval("document.images.length"), 0);
}

/// Nothing but evaluation: no table is left with a head and no rows.
#[test]
fn a_run_that_built_nothing() {
    let mut timings = runs::run(3);
    timings.derivations.clear();
    timings.transfers.clear();
    timings.load.clear();
    timings.previous = None;
    (timings.counts, timings.critical) = Default::default();
    let Some((mut browser, ..)) = opened(&timings, "nothing") else { return };
    assert!(browser.text("#verdict").contains("Everything was there already"));
    for section in ["critical", "slowest", "sources", "before"] {
        assert_eq!(browser.eval(&format!("document.getElementById('{section}').hidden")), true, "{section}");
    }
}

/// 500 derivations fit into a megabyte; 5,000 are drawn, searched and scrolled without waiting.
#[test]
fn large_runs() {
    let Some((_, size, _)) = opened(&runs::run(400), "500") else { return };
    assert!(size < 1_000_000, "{size} bytes");
    let Some((mut browser, _, time)) = opened(&runs::run(4000), "5000") else { return };
    eprintln!("5,000 derivations: {time:?} until the first picture");
    let frames = browser.eval(
        "(async () => { const since = performance.now(); let n = 0; \
         while (n < 20) { timings.chart.zoom(n % 2 ? 1.3 : 0.8); await new Promise(requestAnimationFrame); n += 1; } \
         return (performance.now() - since) / n; })()",
    );
    eprintln!("one frame of a zoom: {frames} ms");
    let draw = browser.eval("(() => { const since = performance.now(); for (let n = 0; n < 20; n += 1) timings.chart.draw(); return (performance.now() - since) / 20; })()");
    eprintln!("one drawing: {draw} ms");
    browser.picture("5000.png");
    assert_eq!(browser.errors, [] as [&str; 0]);
}

/// The pure parts, one by one.
#[test]
fn the_model() {
    let Some((mut browser, ..)) = opened(&runs::run(5), "model") else { return };
    for (expression, want) in [
        (
            "[0, 0.42, 4.21, 42, 59.7, 185, 3900, -3].map(duration)",
            json!(["0.00 s", "0.42 s", "4.2 s", "42 s", "1 min 00 s", "3 min 05 s", "1 h 05 min", "−3.0 s"]),
        ),
        (
            "[0, 999, 1000, 9960, 1.44e9, 999600].map(size)",
            json!(["0 B", "999 B", "1.0 kB", "10 kB", "1.4 GB", "1.0 MB"]),
        ),
        // Three bars, two of which overlap: two rows.
        (
            "pack([{start: 0, end: 2}, {start: 1, end: 3}, {start: 2, end: 4}]).map(it => it.length)",
            json!([2, 1]),
        ),
        ("covered([[0, 2], [1, 3], [5, 6]])", json!(4)),
        ("averageLoad([[0, 0], [1, 2], [4, 1]])", json!(1.25)),
        ("averageLoad([])", json!(null)),
        ("ticks(0, 10, 5)", json!({"step": 2, "at": [0, 2, 4, 6, 8, 10]})),
        ("[tickLabel(0.5, 0.1), tickLabel(65, 5), tickLabel(3700, 60)]", json!(["0.5 s", "1:05", "1:01:40"])),
        ("['Elodin-DB 1', 'db'].map(matcher('db elo'))", json!([true, false])),
        (
            "concurrency({derivations: [{state: 'built', start: 1, end: 3}, {state: 'built', start: 3, end: 4}]})",
            json!([[0, 0], [1, 1], [3, 1], [4, 0]]),
        ),
        ("users({derivations: [{}, {inputs: [0]}, {inputs: [0, 1]}]})", json!([[1, 2], [2], []])),
        (
            "sources({transfers: [{way: 'download', place: 'c', start: 0, end: 1, bytes: 5}, {way: 'download', place: 'c', start: 1, end: 2, bytes: 6, wire: 3}]})\
          .map(it => [it.paths, it.bytes, it.wire, it.seconds])",
            json!([[2, 11, 3, 2]]),
        ),
    ] {
        assert_eq!(browser.eval(expression), want, "{expression}");
    }
}
