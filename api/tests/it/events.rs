//! Server-sent events: live, across processes, resumable, filtered by rights.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person, WAIT_LIMIT, Warehouse, database};

/// One listener, reading frames as they come.
pub struct Listener {
    stream: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<Vec<u8>>> + Send>>,
    pub text: String,
}

#[derive(Debug)]
pub struct Frame {
    pub id: String,
    pub event: String,
    pub data: Value,
}

impl Listener {
    pub async fn of(person: &Person, last_id: Option<&str>) -> Self {
        let mut request = person.request(Method::GET, "/events");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().expect("text")), (200, "text/event-stream"));
        let stream = response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec()));
        let mut listener = Self { stream: Box::pin(stream), text: String::new() };
        listener.read_until(|text| text.contains(": listening\n\n")).await;
        listener
    }

    pub async fn read_until(&mut self, is_enough: impl Fn(&str) -> bool) {
        let read = async {
            while !is_enough(&self.text) {
                match self.stream.next().await {
                    Some(Ok(bytes)) => self.text.push_str(&String::from_utf8(bytes).expect("text")),
                    _ => break,
                }
            }
        };
        let _timed_out = tokio::time::timeout(WAIT_LIMIT, read).await;
    }

    pub fn frames(&self) -> Vec<Frame> {
        let field = |frame: &str, name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        let frames = self.text.split("\n\n").filter(|frame| frame.contains("event:"));
        frames
            .map(|frame| Frame {
                id: field(frame, "id:"),
                event: field(frame, "event:"),
                data: serde_json::from_str(&field(frame, "data:")).expect("JSON"),
            })
            .collect()
    }

    fn summary(&self) -> Vec<String> {
        self.frames()
            .iter()
            .map(|frame| {
                format!(
                    "{} {} {}",
                    frame.event,
                    frame.data["action"].as_str().unwrap_or_default(),
                    frame.data["entity_id"].as_str().unwrap_or_default()
                )
            })
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_hears_what_they_may_see_in_every_process() {
    let database_url = database::migrated().await;
    let (one, other) = (Warehouse::open_on(database_url.clone(), |_| {}).await, Warehouse::open_on(database_url, |_| {}).await);
    let (lucknow, indore, biller) = (one.packer("Lucknow").await, one.packer("Indore").await, one.biller().await);
    let there = |person: &Person| Person { base_url: other.base_url.clone(), ..person.clone() };
    let mut near = Listener::of(&lucknow, None).await;
    let mut far = Listener::of(&there(&biller), None).await;
    let mut elsewhere = Listener::of(&there(&indore), None).await;
    lucknow.packs("SB00001", ["CB-1".into()]).await;
    let bill = json!({"bill_number": "B1", "destination": "Jaipur", "vehicle_number": "RJ14", "expected_parent_bags": 2});
    biller.post("/bills", bill).await.expect(201);
    biller.post("/bills/B1/bags", json!({"qr_codes": ["SB00001"]})).await.expect(200);
    indore.scans("SB00009").await.expect(201);
    far.read_until(|text| text.contains("SB00009")).await;
    elsewhere.read_until(|text| text.contains("SB00009")).await;
    near.read_until(|text| text.contains("\"bill_bag_added\",\"entity_id\":\"B1\"")).await;
    let heard = far.summary();
    for expected in ["bag bag_created SB00001", "scan child_linked CB-1", "bill bill_created B1", "bill bill_bag_added B1", "bag bag_created SB00009"]
    {
        assert!(heard.iter().any(|event| event == expected), "{expected}: {heard:?}");
    }
    assert!(elsewhere.summary().iter().all(|event| event.ends_with("SB00009")), "{:?}", elsewhere.summary());
    assert!(near.summary().iter().all(|event| !event.ends_with("SB00009")), "{:?}", near.summary());
    let ids: Vec<String> = far.frames().into_iter().map(|frame| frame.id).collect();
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "each is told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_who_comes_back_has_missed_nothing() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let mut listener = Listener::of(&packer, None).await;
    packer.packs("SB00001", ["CB-1".into()]).await;
    listener.read_until(|text| text.contains("\"child_linked\",\"entity_id\":\"CB-1\"")).await;
    let last = listener.frames().pop().expect("an event").id;
    drop(listener);
    packer.scans_into("SB00001", "CB-2").await.expect(201);
    packer.scans_into("SB00001", "CB-3").await.expect(201);
    let mut again = Listener::of(&packer, Some(&last)).await;
    packer.scans_into("SB00001", "CB-4").await.expect(201);
    again.read_until(|text| text.contains("\"child_linked\",\"entity_id\":\"CB-4\"")).await;
    let heard = again.summary();
    for code in ["CB-2", "CB-3", "CB-4"] {
        assert_eq!(heard.iter().filter(|event| **event == format!("scan child_linked {code}")).count(), 1, "{code}: {heard:?}");
    }
    assert!(again.frames().iter().all(|frame| frame.id != last));
    // One who was away for days starts anew.
    let long_ago = "01890000-0000-7000-8000-000000000000";
    let mut anew = Listener::of(&packer, Some(long_ago)).await;
    anew.read_until(|text| text.contains("event: reset")).await;
    assert_eq!(anew.summary(), ["reset reset "]);
    for wrong in ["nonsense", "00000000-0000-0000-0000-000000000000"] {
        Answer::of(packer.request(Method::GET, "/events").header("last-event-id", wrong)).await.problem(400, "invalid_query");
    }
    warehouse.nobody().get("/events").await.problem(401, "missing_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_session_and_with_the_server() {
    let warehouse = Warehouse::open().await;
    let packer = warehouse.packer("Lucknow").await;
    let mut listener = Listener::of(&packer, None).await;
    packer.act("/auth/logout-all").await.expect(204);
    let ended = tokio::time::timeout(WAIT_LIMIT, async { while listener.stream.next().await.is_some_and(|chunk| chunk.is_ok()) {} });
    ended.await.expect("the stream ends with the session");
    let biller = warehouse.biller().await;
    let _open = Listener::of(&biller, None).await;
    tokio::time::timeout(WAIT_LIMIT, warehouse.close()).await.expect("listeners don't keep the server from stopping");
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_come_live_to_the_person_alone() {
    let warehouse = Warehouse::open().await;
    let (admin, packer, biller) = (warehouse.admin().await, warehouse.packer("Lucknow").await, warehouse.biller().await);
    let (mut heard, mut unheard) = (Listener::of(&admin, None).await, Listener::of(&biller, None).await);
    packer.post("/promotion-requests", json!({"wanted_role": "biller", "reason": "x"})).await.expect(201);
    packer.scans("SB00001").await.expect(201);
    heard.read_until(|text| text.contains("promotion_requested")).await;
    unheard.read_until(|text| text.contains("SB00001")).await;
    let frames = heard.frames();
    let told = frames.iter().find(|frame| frame.event == "notification").expect("a notification");
    assert_eq!(
        (told.data["action"].as_str(), told.data["details"]["parameters"]["username"].as_str()),
        (Some("promotion_requested"), Some("dispatcher-0"))
    );
    assert!(unheard.frames().iter().all(|frame| frame.event != "notification"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_tells_how_far_it_is() {
    let warehouse = Warehouse::open().await;
    let (admin, biller) = (warehouse.admin().await, warehouse.biller().await);
    let (mut heard, mut unheard) = (Listener::of(&admin, None).await, Listener::of(&biller, None).await);
    let boundary = "--b\r\nContent-Disposition: form-data; name=";
    let body = format!(
        "{boundary}\"kind\"\r\n\r\nbags\r\n{boundary}\"file\"; filename=\"f.csv\"\r\nContent-Type: text/csv\r\n\r\nqr_code\nCB-1\nCB-2\n\r\n--b--\r\n"
    );
    let request = admin.request(Method::POST, "/imports").header("content-type", "multipart/form-data; boundary=b").body(body);
    let taken = Answer::of(request).await.expect(202).body;
    heard.read_until(|text| text.contains("\"succeeded\"")).await;
    let frames = heard.frames();
    let last = frames.iter().rfind(|frame| frame.event == "job").expect("a job");
    assert_eq!((last.data["action"].as_str(), &last.data["details"]["import_id"]), (Some("succeeded"), &taken["id"]));
    assert_eq!(last.data["details"]["progress"], json!({"rows_read": 2, "rows_accepted": 2, "rows_refused": 0}));
    biller.scans("SB00001").await.expect(201);
    unheard.read_until(|text| text.contains("SB00001")).await;
    assert!(unheard.frames().iter().all(|frame| frame.event != "job"), "another's job is nobody's business");
}
