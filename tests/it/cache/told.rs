//! What is told of loads: spans, metrics.

#[cfg(feature = "metrics")]
#[test]
fn counters_are_metrics() {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::{MINUTE, fails, gives, manual};

    type Values = Arc<Mutex<BTreeMap<String, f64>>>;

    struct Keeps(Values);

    struct One(String, Values);

    impl CounterFn for One {
        fn increment(&self, _: u64) {
            unreachable!("larder tells sums")
        }

        fn absolute(&self, value: u64) {
            self.set(value as f64);
        }
    }

    impl GaugeFn for One {
        fn increment(&self, _: f64) {
            unreachable!("larder tells sums")
        }

        fn decrement(&self, _: f64) {
            unreachable!("larder tells sums")
        }

        fn set(&self, value: f64) {
            self.1.lock().unwrap().insert(self.0.clone(), value);
        }
    }

    impl Keeps {
        fn one(&self, key: &Key) -> Arc<One> {
            let labels: Vec<_> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Arc::new(One(format!("{} {}", key.name(), labels.join(",")), Arc::clone(&self.0)))
        }
    }

    impl Recorder for Keeps {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.one(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.one(key))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            unreachable!("larder has none")
        }
    }

    let m = manual(|names| names.stale_for(MINUTE).retry_after(MINUTE / 60).breaker(2, MINUTE));
    let load = || {
        m.clock.advance(MINUTE / 6000); // so long it takes
        gives("a")()
    };
    m.names.get_or_load(&7, load).unwrap();
    m.names.get_or_load(&7, load).unwrap();
    m.names.get_or_load(&8, || m.names.remove(&8).map(|_| "b".to_owned())).unwrap();
    m.clock.advance(MINUTE);
    m.names.get_or_load(&7, fails).unwrap();
    m.names.get_or_load(&9, fails).unwrap_err();
    m.names.get_or_load(&9, fails).unwrap_err();

    let values = Values::default();
    metrics::with_local_recorder(&Keeps(Arc::clone(&values)), || m.names.report_metrics("main"));
    let values = values.lock().unwrap();
    let told: Vec<_> = values
        .iter()
        .map(|(name, value)| {
            let name = name.strip_prefix("larder_cache_").unwrap();
            (name.strip_suffix(" store=main,cache=names").unwrap(), *value)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("failed_loads_total", 2.0),
            ("fenced_loads_total", 1.0),
            ("hits_total", 1.0),
            ("load_milliseconds_total", 10.0),
            ("loads_total", 4.0),
            ("misses_total", 5.0),
            ("paused", 1.0),
            ("paused_loads_total", 1.0),
            ("second_level_total", 0.0),
            ("shared_loads_total", 0.0),
            ("stale_total", 1.0),
            ("undecodable_total", 0.0),
        ]
    );
}

#[cfg(feature = "tracing")]
#[test]
fn a_load_has_a_span() {
    use std::fmt::Debug;
    use std::future::ready;
    use std::pin::pin;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use larder::Store;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata};

    use super::flights::poll;
    use super::{fails, gives, manual};
    use crate::support::until_heard;

    #[derive(Clone, Default)]
    struct Keeps(Arc<Mutex<Vec<String>>>);

    impl tracing::Subscriber for Keeps {
        fn enabled(&self, of: &Metadata<'_>) -> bool {
            of.name() == "larder.load"
        }

        fn new_span(&self, span: &Attributes<'_>) -> Id {
            let mut spans = self.0.lock().unwrap();
            let mut text = String::new();
            span.record(&mut Fields(&mut text));
            spans.push(text);
            Id::from_u64(spans.len() as u64)
        }

        fn record(&self, span: &Id, values: &Record<'_>) {
            values.record(&mut Fields(&mut self.0.lock().unwrap()[span.into_u64() as usize - 1]));
        }

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, span: &Id) {
            self.0.lock().unwrap()[span.into_u64() as usize - 1].push_str("> ");
        }

        fn exit(&self, span: &Id) {
            self.0.lock().unwrap()[span.into_u64() as usize - 1].push_str("< ");
        }
    }

    struct Fields<'t>(&'t mut String);

    impl Visit for Fields<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0.push_str(&format!("{field}={value:?} "));
        }
    }

    let spans = Keeps::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    until_heard(|| {
        Store::new().get_or_load("any", Duration::from_secs(1), || Ok::<_, String>(7)).unwrap();
        !std::mem::take(&mut *spans.0.lock().unwrap()).is_empty()
    });
    let m = manual(|names| names);
    let load = |key: u64, loader: &dyn Fn() -> Result<String, String>| {
        let _ = m.names.get_or_load(&key, || {
            m.clock.advance(Duration::from_millis(3));
            loader()
        });
    };
    load(1, &|| gives("a")());
    load(1, &|| gives("a")()); // a hit has none
    load(2, &fails);
    load(3, &|| {
        m.names.remove(&3).unwrap();
        gives("a")()
    });
    {
        let mut dropped = pin!(m.names.get_or_load_async(&4, std::future::pending::<Result<String, String>>));
        assert!(poll(&mut dropped).is_pending());
        m.clock.advance(Duration::from_millis(3));
    }
    let mut loaded = pin!(m.names.get_or_load_async(&5, || ready(Ok::<_, String>(None::<String>))));
    assert!(poll(&mut loaded).is_ready());
    m.store.get_or_load("by name", Duration::from_secs(1), || Ok::<_, String>(7)).unwrap();
    let span = |key: &str, ends: &str| format!("cache=\"names\" key={key} > < {ends} ");
    assert_eq!(
        *spans.0.lock().unwrap(),
        [
            span("names:1", "outcome=\"stored\" millis=3"),
            span("names:2", "outcome=\"failed\" millis=3"),
            span("names:3", "outcome=\"fenced\" millis=3"),
            span("names:4", "outcome=\"abandoned\" millis=3"),
            span("names:5", "outcome=\"not stored\" millis=0"),
            "key=by name > < outcome=\"stored\" millis=0 ".to_owned(),
        ]
    );
}
