//! From ready to drained.

use super::*;

/// A [`run`] of one public and one administrative listener.
struct Life {
    public: SocketAddr,
    admin: SocketAddr,
    gate: Gate,
    readiness: Arc<Readiness>,
    signals: mpsc::Sender<()>,
    task: JoinHandle<Ended>,
}

impl Life {
    /// Returns with one request in flight.
    async fn start(shutdown: Shutdown) -> (Self, Client) {
        let ((public_listener, public), (admin_listener, admin)) = (listener().await, listener().await);
        let gate = Gate::default();
        let listeners =
            Listeners { public: vec![(public_listener, routes(&gate))], admin: Some((admin_listener, router())) };
        let readiness = Arc::new(Readiness::default());
        let (signals, receiver) = mpsc::channel(1);
        let task = tokio::spawn(run(listeners, LIMITS, shutdown, Arc::clone(&readiness), receiver));
        let mut busy = Client::connect(public).await;
        busy.send("GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await;
        within(gate.entered.notified()).await;
        (Self { public, admin, gate, readiness, signals, task }, busy)
    }

    async fn signal(&self) {
        within(self.signals.send(())).await.unwrap();
    }

    async fn not_ready(&self) {
        within(async {
            while self.readiness.is_ready() {
                sleep(SHORT / 20).await;
            }
        })
        .await;
    }

    /// The public listener is closed.
    async fn refusing(&self) {
        within(async {
            while TcpStream::connect(self.public).await.is_ok() {
                sleep(SHORT / 20).await;
            }
        })
        .await;
    }

    async fn ended(self) -> Ended {
        within(self.task).await.unwrap()
    }
}

#[tokio::test]
async fn a_signal_ends_readiness_then_accepting_then_what_is_in_flight() {
    assert!(!Readiness::default().is_ready());
    let (life, mut busy) = Life::start(Shutdown { delay: Duration::from_secs(3), grace: LONG }).await;
    assert!(life.readiness.is_ready());
    life.signal().await;
    life.not_ready().await;
    Client::connect(life.public).await.hello().await;
    life.refusing().await;
    Client::connect(life.admin).await.hello().await;
    life.gate.open.notify_one();
    assert_eq!(busy.answer().await.0, 200);
    assert_eq!(life.ended().await, Ended::Drained);
}

#[tokio::test]
async fn the_end_of_the_grace_period_cuts_requests_off() {
    let (life, mut busy) = Life::start(Shutdown { delay: Duration::ZERO, grace: SHORT }).await;
    life.signal().await;
    assert_eq!(life.ended().await, Ended::Cut);
    busy.closed().await;
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    for delay in [LONG, Duration::ZERO] {
        let (life, mut busy) = Life::start(Shutdown { delay, grace: LONG }).await;
        life.signal().await;
        life.not_ready().await;
        if delay.is_zero() {
            life.refusing().await;
        }
        life.signal().await;
        assert_eq!(life.ended().await, Ended::Cut);
        busy.closed().await;
    }
}
