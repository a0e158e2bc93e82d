//! Background tasks and jobs, as admins and monitoring see them.

use serde_json::{Value, json};
use traitortrack::config::Secret;

use crate::support::process::ServerProcess;
use crate::support::redis::Redis;
use crate::support::replication::Replication;
use crate::support::warehouse::ADMIN_PASSWORD;
use crate::support::{Answer, Person, Warehouse, database, eventually};

/// The tasks of every process, with the default settings.
const TASKS: [&str; 13] = [
    "refresh_revocations",
    "refresh_bag_formats",
    "refresh_signing_keys",
    "write_heartbeat",
    "publish_events",
    "run_jobs",
    "enqueue_end_of_day_summary",
    "archive_audit_log",
    "purge_expired_rows",
    "finish_erasures",
    "maintain_partitions",
    "aggregate_metrics",
    "return_free_memory",
];

async fn health_seen_by(person: &Person) -> Value {
    let request = person.client.get(format!("{}/api/health/detailed", person.base_url));
    let request = request.bearer_auth(person.token.clone().expect("signed in"));
    Answer::of(request).await.expect(200).body
}

async fn tasks_seen_by(person: &Person) -> Vec<Value> {
    let health = health_seen_by(person).await;
    health["checks"]["background_tasks"]["tasks"].as_array().expect("tasks").clone()
}

fn names(tasks: &[Value]) -> Vec<&str> {
    tasks.iter().filter_map(|task| task["name"].as_str()).collect()
}

async fn task_seen_by(person: &Person, name: &str) -> Value {
    let tasks = tasks_seen_by(person).await;
    tasks.into_iter().find(|task| task["name"] == name).expect("a task of this name")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_of_a_process_is_in_the_health_and_in_the_metrics() {
    let database_url = database::migrated().await;
    let folder = std::env::temp_dir().join(format!("tt-tasks-{}", uuid::Uuid::new_v4().simple()));
    let settings = [("SKIP_MIGRATIONS", "true")];
    let mut server = ServerProcess::start_with(&folder, Some(&database_url), &settings).await;
    let admin = server.nobody().signed_in("admin", ADMIN_PASSWORD).await;
    let tasks = tasks_seen_by(&admin).await;
    assert_eq!(names(&tasks), TASKS);
    let metrics = server.nobody().get_root("/metrics").await.expect(200).text;
    for name in names(&tasks) {
        for result in ["succeeded", "failed", "panicked"] {
            let line = format!("background_task_runs_total{{task=\"{name}\",result=\"{result}\"}}");
            assert!(metrics.contains(&line), "{line} in\n{metrics}");
        }
    }
    eventually("each short task has run", async || {
        let tasks = tasks_seen_by(&admin).await;
        let is_short = |task: &Value| task["period_seconds"].as_f64().is_some_and(|s| s < 10.0);
        tasks.iter().filter(|task| is_short(task)).all(|task| task["last_result"] == "succeeded")
    })
    .await;
    let task = task_seen_by(&admin, "refresh_bag_formats").await;
    assert_eq!((&task["period_seconds"], &task["state"]), (&json!(3.0), &json!("ok")), "{task}");
    assert!(task["last_duration_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{task}");
    assert!(task["last_started_at"].is_string() && task["runs"].as_u64() > Some(0), "{task}");
    assert_eq!((&task["failures"], &task["last_detail"]), (&json!(0), &Value::Null), "{task}");
    let service = task_seen_by(&admin, "run_jobs").await;
    assert_eq!((&service["period_seconds"], &service["is_running"]), (&Value::Null, &json!(true)));
    let metrics = server.nobody().get_root("/metrics").await.expect(200).text;
    for name in ["write_heartbeat", "refresh_bag_formats", "return_free_memory"] {
        for metric in ["duration_seconds_count", "last_success_timestamp_seconds"] {
            let line = format!("background_task_{metric}{{task=\"{name}\"}}");
            assert!(metrics.contains(&line), "{line} in\n{metrics}");
        }
    }
    server.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_the_tasks_that_the_settings_need_run() {
    let (replication, redis) = (Replication::start(1).await, Redis::start());
    let warehouse = Warehouse::open_on(replication.database_url(), |config| {
        config.read_replica_urls = replication.replica_urls();
        config.redis_url = redis.url();
        config.end_of_day_at.0 = None;
        config.audit_retention_days = 0;
        config.jwt_secret = Some(Secret::from("a-secret-of-at-least-thirty-two-bytes".to_owned()));
    })
    .await;
    let admin = warehouse.admin().await;
    let tasks = tasks_seen_by(&admin).await;
    let names = names(&tasks);
    for name in ["listen_for_revocations", "probe_primary", "probe_replica_1", "advance_low_watermark"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    for name in ["archive_audit_log", "enqueue_end_of_day_summary", "refresh_signing_keys", "probe_replica_2"] {
        assert!(!names.contains(&name), "{name} in {names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_who_are_signed_in_see_the_tasks() {
    let warehouse = Warehouse::open().await;
    let (admin, biller) = (warehouse.admin().await, warehouse.biller().await);
    let body = json!({"name": "Scale", "scopes": ["bags:read"]});
    let key = admin.post("/api-keys", body).await.expect(201).body["key"].clone();
    let machine = Person { token: key.as_str().map(str::to_owned), cookie: None, ..admin.clone() };
    for person in [&biller, &machine] {
        let health = health_seen_by(person).await;
        assert_eq!(health["checks"]["background_tasks"], json!({"status": "healthy"}));
    }
    let strangers = warehouse.nobody().get_root("/api/health/detailed").await.expect(200).body;
    assert_eq!(strangers["checks"]["background_tasks"], json!({"status": "healthy"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_that_fails_repeatedly_degrades_the_health_until_it_succeeds() {
    let warehouse = Warehouse::open().await;
    let (admin, url) = (warehouse.admin().await, &warehouse.database_url);
    database::execute(url, "ALTER TABLE bag_formats RENAME TO bag_formats_elsewhere").await;
    eventually("the task is failing", async || task_seen_by(&admin, "refresh_bag_formats").await["state"] == "failing").await;
    let health = health_seen_by(&admin).await;
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["checks"]["background_tasks"]["status"], "degraded", "{health}");
    let task = task_seen_by(&admin, "refresh_bag_formats").await;
    assert_eq!(task["last_result"], "failed", "{task}");
    assert!(task["last_detail"].as_str().is_some_and(|text| text.contains("bag_formats")), "{task}");
    assert!(task["failures"].as_u64() >= Some(3), "{task}");
    database::execute(url, "ALTER TABLE bag_formats_elsewhere RENAME TO bag_formats").await;
    eventually("the task has recovered", async || health_seen_by(&admin).await["checks"]["background_tasks"]["status"] == "healthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_an_unknown_kind_or_without_its_payload_fails_and_the_others_run() {
    let warehouse = Warehouse::open().await;
    let (admin, url) = (warehouse.admin().await, &warehouse.database_url);
    database::execute(
        url,
        "INSERT INTO jobs (id, kind, payload, run_at) VALUES \
           (gen_random_uuid(), 'telegram', '{}', now() - interval '3 minutes'), \
           (gen_random_uuid(), 'import', '{\"import\": 7}', now() - interval '2 minutes'), \
           (gen_random_uuid(), 'email', '{\"mail\": \"password_reset\", \"user_id\": null}', \
            now() - interval '1 minute')",
    )
    .await;
    let job = async |kind: &str| {
        let jobs = admin.get(&format!("/admin/jobs?kind={kind}")).await.expect(200);
        jobs.rows()[0].clone()
    };
    eventually("the e-mail is sent", async || job("email").await["status"] == "succeeded").await;
    let unknown = job("telegram").await;
    assert_eq!(unknown["status"], "failed", "{unknown}");
    assert_eq!(unknown["error"], "this version does not support jobs of kind telegram");
    assert_eq!(unknown["attempts"], 1, "a retry would not help");
    let malformed = job("import").await;
    assert_eq!((&malformed["status"], &malformed["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(malformed["error"], "the payload is not one of kind import: missing field `import_id`");
}
