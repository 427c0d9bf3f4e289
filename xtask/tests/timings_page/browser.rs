//! A real Chromium without a window, spoken to over its debugging pipe (Chrome DevTools Protocol): each message is JSON
//! that ends in a zero byte.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// One page of one browser, which ends with it.
pub(crate) struct Browser {
    child: Child,
    input: File,
    output: Receiver<Value>,
    session: String,
    last: u64,
    /// What the page asked for over the network, and what went wrong in it.
    pub(crate) requests: Vec<String>,
    pub(crate) errors: Vec<String>,
    loaded: bool,
    _temp: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn start() -> Browser {
        let temp = tempfile::Builder::new().prefix("xtask-chromium-").tempdir().unwrap();
        let [input, output] = ["in", "out"].map(|it| temp.path().join(it));
        let made = Command::new("mkfifo").args([&input, &output]).status().unwrap();
        assert!(made.success());
        // Its descriptors 3 and 4 are the pipe.
        let script = "exec chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-dev-shm-usage \
             --disable-extensions --disable-background-networking --disable-component-update --force-color-profile=srgb \
             --user-data-dir=\"$0/profile\" --remote-debugging-pipe about:blank 3<\"$0/in\" 4>\"$0/out\"";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(temp.path()).env("HOME", temp.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let input = OpenOptions::new().write(true).open(input).unwrap();
        let output = listen(&output);
        let session = String::new();
        let (requests, errors) = (Vec::new(), Vec::new());
        let mut res =
            Browser { child, input, output, session, last: 0, requests, errors, loaded: false, _temp: temp };
        let target = res.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = res.call("Target.attachToTarget", &attach);
        attached["sessionId"].as_str().unwrap().clone_into(&mut res.session);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            res.call(&format!("{domain}.enable"), &json!({}));
        }
        res
    }

    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let answer = self.output.recv_timeout(left).unwrap_or_else(|_| panic!("no answer to {method}"));
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.event(&answer);
        }
    }

    fn event(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                self.requests.push(params["request"]["url"].as_str().unwrap().to_owned());
            }
            "Runtime.exceptionThrown" => self.errors.push(params["exceptionDetails"].to_string()),
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                self.errors.push(params["entry"]["text"].to_string());
            }
            "Page.loadEventFired" => self.loaded = true,
            _ => {}
        }
    }

    /// Opens a file, and returns when all its scripts have run and the first picture is drawn.
    pub(crate) fn open(&mut self, page: &Path) -> Duration {
        let since = Instant::now();
        self.loaded = false;
        self.call("Page.navigate", &json!({"url": format!("file://{}", page.display())}));
        while !self.loaded {
            assert!(since.elapsed() < PATIENCE, "the page does not load");
            self.eval("1");
        }
        self.eval("new Promise(it => requestAnimationFrame(() => requestAnimationFrame(() => it(1))))");
        since.elapsed()
    }

    /// The value of an expression in the page, awaited.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({selector:?}).innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn window(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &scheme);
    }

    pub(crate) fn mouse(&mut self, kind: &str, x: f64, y: f64, more: &Value) {
        let mut params = json!({"type": kind, "x": x, "y": y});
        for (name, value) in more.as_object().into_iter().flatten() {
            params[name] = value.clone();
        }
        self.call("Input.dispatchMouseEvent", &params);
    }

    pub(crate) fn click(&mut self, x: f64, y: f64) {
        for kind in ["mousePressed", "mouseReleased"] {
            self.mouse(kind, x, y, &json!({"button": "left", "clickCount": 1}));
        }
    }

    pub(crate) fn key(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        self.call("Input.dispatchKeyEvent", &json!({"type": down, "key": key, "text": text}));
        self.call("Input.dispatchKeyEvent", &json!({"type": "keyUp", "key": key}));
    }

    /// A picture of the top of the page, kept where `XTASK_TEST_SHOTS` says, for people to look at. Returns its size.
    pub(crate) fn picture(&mut self, name: &str) -> usize {
        let width = self.eval("innerWidth");
        let clip = json!({"x": 0, "y": 0, "width": width, "height": 1500, "scale": 1});
        let params = json!({"captureBeyondViewport": true, "clip": clip});
        let shot = self.call("Page.captureScreenshot", &params);
        keep(name, shot["data"].as_str().unwrap())
    }

    /// The page on paper.
    pub(crate) fn print(&mut self, name: &str) -> usize {
        let params = json!({"printBackground": true, "paperWidth": 8.27, "paperHeight": 11.69});
        let paper = self.call("Page.printToPDF", &params);
        keep(name, paper["data"].as_str().unwrap())
    }
}

fn keep(name: &str, base64: &str) -> usize {
    if let Ok(dir) = std::env::var("XTASK_TEST_SHOTS") {
        let file = File::create(Path::new(&dir).join(name)).unwrap();
        let mut child = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(file).spawn().unwrap();
        child.stdin.take().unwrap().write_all(base64.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    base64.len() * 3 / 4
}

fn listen(path: &Path) -> Receiver<Value> {
    let (sender, receiver) = channel();
    let output = BufReader::new(File::open(path).unwrap());
    std::thread::spawn(move || {
        for message in output.split(0).map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice(&message) else { continue };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A closed pipe ends it too.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
