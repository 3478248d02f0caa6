//! The page's forms in a real browser: Chromium, driven by chromedriver, where both are.

use std::process::Stdio;

use data_encoding::BASE64;
use parserd::core::job::JobState;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use super::{
    actions::with_a_failure,
    page::hostile,
    site::{Site, TOKEN},
};

/// A browser, and what drives it. Both end with it.
pub struct Browser<'a> {
    site: &'a Site,
    client: Client,
    session: String,
    _driver: Child,
}

impl<'a> Browser<'a> {
    /// None where there is no chromedriver.
    pub async fn of(site: &'a Site) -> Option<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let Ok(mut driver) = started else {
            eprintln!("not run: there is no chromedriver");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("chromedriver ended");
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let client = Client::builder().no_proxy().build().unwrap();
        let flags = ["--headless", "--no-sandbox", "--disable-gpu"];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": flags}
        }}});
        let address = format!("http://127.0.0.1:{port}/session");
        let answer = client.post(&address).json(&wanted).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let id = answer["value"]["sessionId"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        Some(Self {
            site,
            client,
            session: format!("{address}/{id}"),
            _driver: driver,
        })
    }

    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }

    async fn open(&self, address: &str) {
        let body = json!({"url": address});
        self.ask(Method::POST, "/url", Some(body)).await;
    }

    pub async fn visit(&self, path: &str) {
        self.open(&format!("{}{path}", self.site.base)).await;
    }

    async fn element(&self, selector: &str) -> String {
        let body = json!({"using": "css selector", "value": selector});
        let found = self.ask(Method::POST, "/element", Some(body)).await;
        let (_, id) = found.as_object().unwrap().iter().next().unwrap();
        format!("/element/{}", id.as_str().unwrap())
    }

    pub async fn write(&self, selector: &str, text: &str) {
        let path = format!("{}/value", self.element(selector).await);
        self.ask(Method::POST, &path, Some(json!({"text": text})))
            .await;
    }

    pub async fn click(&self, selector: &str) {
        let path = format!("{}/click", self.element(selector).await);
        self.ask(Method::POST, &path, Some(json!({}))).await;
    }

    /// Waits for a page with these words.
    pub async fn await_words(&self, words: &str) {
        self.site
            .harness
            .wait_until(words, async || {
                let page = self.ask(Method::GET, "/source", None).await;
                page.as_str().unwrap().contains(words)
            })
            .await;
    }

    /// Makes the window so wide, also where the browser would not be so narrow.
    pub async fn set_width(&self, width: i64) {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// What a script says.
    pub async fn evaluate(&self, script: &str) -> Value {
        let body = json!({"script": script, "args": []});
        self.ask(Method::POST, "/execute/sync", Some(body)).await
    }

    async fn command(&self, command: &str, params: Value) -> Value {
        let body = json!({"cmd": command, "params": params});
        self.ask(Method::POST, "/goog/cdp/execute", Some(body))
            .await
    }

    /// Shows the page as one who prefers `light` or `dark` sees it.
    pub async fn set_scheme(&self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.command("Emulation.setEmulatedMedia", json!({"features": [feature]}))
            .await;
    }

    /// The whole page, as a PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        let size = "return [innerWidth, document.documentElement.scrollHeight]";
        let size = self.evaluate(size).await;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let wanted = json!({"captureBeyondViewport": true, "clip": clip});
        let found = self.command("Page.captureScreenshot", wanted).await;
        let data = found["data"].as_str().unwrap();
        BASE64.decode(data.as_bytes()).unwrap()
    }

    /// Signs in as an operator.
    pub async fn sign_in(&self) {
        self.visit("/login").await;
        self.write("#token", TOKEN).await;
        self.click("form.login button").await;
        self.await_words("Sign out").await;
    }

    pub async fn end(self) {
        self.ask(Method::DELETE, "", None).await;
    }
}

/// A page of another program on this machine, with a form for `action`. To a browser it
/// is of the same site, so that the session's cookie goes along.
async fn other_page(action: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let page = format!("<form method=post action='{action}'><button>You have won</button>");
        let length = page.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{page}"
        );
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _asked = stream.read(&mut head).await;
            let _told = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_person_signs_in_and_acts_and_another_page_cannot_act_for_them() {
    let site = with_a_failure().await;
    let Some(browser) = Browser::of(&site).await else {
        return;
    };
    browser.visit("/login").await;
    browser.write("#token", "not the token").await;
    browser.click("form.login button").await;
    browser.await_words("That is not the token.").await;
    browser.write("#token", TOKEN).await;
    browser.click("form.login button").await;
    browser.await_words("Sign out").await;

    let action = format!("{}/jobs/1/cancel", site.base);
    browser.open(&other_page(action).await).await;
    browser.click("button").await;
    browser
        .await_words("this does not come from a form of this page")
        .await;
    site.harness.await_states(&[(JobState::Failed, 1)]).await;

    browser.visit("/jobs/1").await;
    browser.click("form[action='/jobs/1/retry'] button").await;
    browser.await_words("Retried.").await;
    site.harness.await_states(&[(JobState::Finished, 1)]).await;

    browser.click("form[action='/logout'] button").await;
    browser.await_words("Sign in to act").await;
    browser.end().await;
    site.closed().await;
}

#[tokio::test]
async fn on_a_narrow_screen_nothing_is_beside_it() {
    let site = hostile().await;
    let Some(browser) = Browser::of(&site).await else {
        return;
    };
    for width in [240, 360, 1200] {
        browser.set_width(width).await;
        for path in ["/", "/jobs", "/jobs/1", "/jobs/2", "/jobs/3", "/login"] {
            browser.visit(path).await;
            let found = browser
                .evaluate("return document.documentElement.scrollWidth")
                .await;
            assert!(found.as_i64() <= Some(width), "{path}: {found} of {width}");
        }
        browser.visit("/jobs/1").await;
        let right =
            "return document.querySelector('.creates .number').getBoundingClientRect().right";
        let found = browser.evaluate(right).await;
        assert!(found.as_f64() <= Some(width as f64), "{found} of {width}");
    }
    browser.end().await;
    site.closed().await;
}

#[tokio::test]
async fn who_signed_in_chooses_and_confirms_also_on_a_narrow_screen() {
    let site = with_a_failure().await;
    let Some(browser) = Browser::of(&site).await else {
        return;
    };
    browser.visit("/login").await;
    browser.write("#token", TOKEN).await;
    browser.click("form.login button").await;
    browser.await_words("Sign out").await;
    for width in [240, 390, 1280] {
        browser.set_width(width).await;
        for path in ["/jobs", "/jobs?state=FAILED", "/jobs/1", "/jobs/1/cancel"] {
            browser.visit(path).await;
            let unfold = "document.querySelectorAll('details').forEach(it => it.open = true);\
                return document.documentElement.scrollWidth";
            let found = browser.evaluate(unfold).await;
            assert!(found.as_i64() <= Some(width), "{path}: {found} of {width}");
        }
    }
    browser.visit("/jobs").await;
    browser.click("input[name=job]").await;
    browser.click("button[value=retry]").await;
    browser
        .await_words("Retry 1 job: up to 30,000 credits")
        .await;
    site.harness.await_states(&[(JobState::Failed, 1)]).await;
    browser.click("button.primary").await;
    browser.await_words("1 job retried").await;
    site.harness.await_states(&[(JobState::Finished, 1)]).await;
    browser.end().await;
    site.closed().await;
}
