//! The service: products as JSON, the cache's statistics, and a page for Prometheus.

use std::fmt::Display;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use larder::{How, LoadError, Store};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde::Serialize;

use crate::products::{CachedProducts, Product, ProductsRepository};

struct Service<R> {
    products: CachedProducts<R>,
    store: Store,
    metrics: PrometheusRecorder,
}

pub fn router<R: ProductsRepository>(products: CachedProducts<R>, store: Store) -> Router {
    let metrics = PrometheusBuilder::new().build_recorder();
    Router::new()
        .route("/products/{id}", get(find::<R>).put(save::<R>).delete(remove::<R>))
        .route("/stats", get(stats::<R>))
        .route("/metrics", get(prometheus::<R>))
        .with_state(Arc::new(Service { products, store, metrics }))
}

type App<R> = State<Arc<Service<R>>>;

async fn find<R: ProductsRepository>(State(app): App<R>, Path(id): Path<u64>) -> Result<Response, Failed> {
    let answer = app.products.find(id).await?;
    let how = match answer.how {
        How::Hit => "hit",
        How::Stale => "stale",
        How::Shared => "shared",
        _ => "loaded",
    };
    let age = answer.age.as_secs().to_string();
    let headers = [(HeaderName::from_static("x-cache"), how), (HeaderName::from_static("age"), &age)];
    Ok(match answer.value {
        Some(product) => (headers, Json(&*product)).into_response(),
        None => (StatusCode::NOT_FOUND, headers).into_response(),
    })
}

async fn save<R: ProductsRepository>(
    State(app): App<R>,
    Path(id): Path<u64>,
    Json(product): Json<Product>,
) -> Result<StatusCode, Failed> {
    app.products.save(id, product).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove<R: ProductsRepository>(
    State(app): App<R>,
    Path(id): Path<u64>,
) -> Result<StatusCode, Failed> {
    let was_there = app.products.remove(id).await?;
    Ok(if was_there { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

async fn stats<R: ProductsRepository>(State(app): App<R>) -> Json<Stats> {
    let stats = app.products.cache.stats();
    Json(Stats {
        hit_ratio: stats.hit_ratio(),
        hits: stats.hits,
        misses: stats.misses,
        loads: stats.loads,
        failed_loads: stats.failed_loads,
        shared_loads: stats.shared,
        fenced_loads: stats.fenced,
        stale_served: stats.stale,
        mean_load_millis: stats.load_millis as f64 / stats.loads.max(1) as f64,
    })
}

#[derive(Serialize)]
struct Stats {
    hit_ratio: f64,
    hits: u64,
    misses: u64,
    loads: u64,
    failed_loads: u64,
    shared_loads: u64,
    fenced_loads: u64,
    stale_served: u64,
    mean_load_millis: f64,
}

/// The counters are read when they are scraped, and cost nothing before.
async fn prometheus<R: ProductsRepository>(State(app): App<R>) -> Result<String, Failed> {
    metrics::with_local_recorder(&app.metrics, || {
        app.products.cache.report_metrics("main");
        app.store.report_metrics("main")
    })?;
    Ok(app.metrics.handle().render())
}

/// What a client is told when there is no answer: 503 while the database is away, and 500 otherwise.
struct Failed(StatusCode, String);

impl<E: Display> From<LoadError<E>> for Failed {
    fn from(error: LoadError<E>) -> Self {
        let status = match error {
            LoadError::Loader(_) | LoadError::Shared(_) | LoadError::TimedOut | LoadError::Paused => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failed(status, error.to_string())
    }
}

impl From<larder::Error> for Failed {
    fn from(error: larder::Error) -> Self {
        Failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::http::{Method, Request};
    use larder::ManualClock;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;
    use crate::products::SqliteProducts;

    /// SQLite that can be away.
    #[derive(Clone)]
    struct Flaky(SqliteProducts, Arc<AtomicBool>);

    impl Flaky {
        fn reach(&self) -> Result<(), String> {
            if self.1.load(Ordering::SeqCst) { Err("the database is down".to_owned()) } else { Ok(()) }
        }
    }

    impl ProductsRepository for Flaky {
        type Error = String;

        async fn find(&self, id: u64) -> Result<Option<Product>, String> {
            self.reach()?;
            self.0.find(id).await
        }

        async fn save(&self, id: u64, product: Product) -> Result<(), String> {
            self.reach()?;
            self.0.save(id, product).await
        }

        async fn remove(&self, id: u64) -> Result<bool, String> {
            self.reach()?;
            self.0.remove(id).await
        }
    }

    struct Client {
        router: Router,
        clock: ManualClock,
        is_down: Arc<AtomicBool>,
    }

    impl Client {
        fn new() -> Self {
            let clock = ManualClock::new();
            let store = Store::builder().clock(&clock).build();
            let is_down = Arc::new(AtomicBool::new(false));
            let products = Flaky(SqliteProducts::open(None).unwrap(), Arc::clone(&is_down));
            let products = CachedProducts::new(products, &store).unwrap();
            Client { router: router(products, store), clock, is_down }
        }

        /// The status, what the cache says, and the body.
        async fn call(&self, method: Method, path: &str, body: Value) -> (u16, String, String) {
            let request =
                Request::builder().method(method).uri(path).header("content-type", "application/json");
            let request = request.body(Body::from(body.to_string())).unwrap();
            let response = self.router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let how = response.headers().get("x-cache").map_or("", |how| how.to_str().unwrap()).to_owned();
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            (status, how, String::from_utf8(body.to_vec()).unwrap())
        }

        async fn get(&self, path: &str) -> (u16, String, String) {
            self.call(Method::GET, path, Value::Null).await
        }

        /// The status, and what the cache says.
        async fn tea(&self) -> (u16, String) {
            let (status, how, _) = self.get("/products/7").await;
            (status, how)
        }

        async fn save_tea(&self, price: u64) -> u16 {
            self.call(Method::PUT, "/products/7", json!({"name": "tea", "price_cents": price})).await.0
        }
    }

    fn is(status: u16, how: &str) -> (u16, String) {
        (status, how.to_owned())
    }

    #[tokio::test]
    async fn products_come_from_the_cache_and_are_current() {
        let client = Client::new();
        assert_eq!(client.tea().await, is(404, "loaded"));
        assert_eq!(client.tea().await, is(404, "hit"));
        assert_eq!(client.save_tea(450).await, 204);
        assert_eq!(client.tea().await, is(200, "loaded"));
        let (_, how, body) = client.get("/products/7").await;
        assert_eq!((how.as_str(), body.as_str()), ("hit", r#"{"name":"tea","price_cents":450}"#));
        assert_eq!(client.save_tea(500).await, 204);
        assert!(client.get("/products/7").await.2.contains("500"));
        assert_eq!(client.call(Method::DELETE, "/products/7", Value::Null).await.0, 204);
        assert_eq!(client.tea().await, is(404, "loaded"));
        assert_eq!(client.get("/products/tea").await.0, 400);
    }

    #[tokio::test]
    async fn a_database_that_is_down_is_bridged() {
        let client = Client::new();
        client.save_tea(450).await;
        client.tea().await;
        client.is_down.store(true, Ordering::SeqCst);
        client.clock.advance(Duration::from_secs(120));
        assert_eq!(client.tea().await, is(200, "stale"));
        let (status, _, body) = client.get("/products/8").await;
        assert_eq!((status, body.as_str()), (503, "the loader failed: the database is down"));
        assert_eq!(client.save_tea(500).await, 503);
        client.is_down.store(false, Ordering::SeqCst);
        client.clock.advance(Duration::from_secs(1));
        assert_eq!(client.tea().await, is(200, "loaded"));
    }

    #[tokio::test]
    async fn a_crowd_makes_one_query() {
        let client = Client::new();
        client.save_tea(450).await;
        let asked: Vec<_> = (0..100)
            .map(|_| {
                let request = Request::builder().uri("/products/7").body(Body::empty()).unwrap();
                tokio::spawn(client.router.clone().oneshot(request))
            })
            .collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
        }
        let stats: Value = serde_json::from_str(&client.get("/stats").await.2).unwrap();
        assert_eq!(stats["loads"], 1);
    }

    #[tokio::test]
    async fn prometheus_finds_the_counters() {
        let client = Client::new();
        client.save_tea(450).await;
        client.tea().await;
        client.tea().await;
        let (status, _, page) = client.get("/metrics").await;
        assert_eq!(status, 200);
        for line in [
            "larder_cache_hits_total{store=\"main\",cache=\"products\"} 1",
            "larder_cache_loads_total{store=\"main\",cache=\"products\"} 1",
            "larder_entries{store=\"main\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
        }
    }
}
