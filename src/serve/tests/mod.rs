//! Real sockets and short limits. A test waits for what must happen up to [`BOUND`], and asserts "still open" only
//! where nothing but a limit of many seconds could close it, so a busy machine makes no difference.

mod life;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;

/// How long to wait for what must happen.
const BOUND: Duration = Duration::from_secs(20);
/// A limit that is meant to be reached.
const SHORT: Duration = Duration::from_millis(200);
/// Comfortably more than the short limit.
const PAUSE: Duration = Duration::from_millis(700);
/// A limit that is not.
const LONG: Duration = Duration::from_mins(2);

const LIMITS: Limits =
    Limits { header_read_timeout: LONG, idle_timeout: LONG, write_timeout: LONG, max_connections: 100 };

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// What handlers of a test tell it and wait for.
#[derive(Clone, Default)]
struct Gate {
    entered: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    async fn pass(self) -> &'static str {
        self.entered.notify_one();
        self.open.notified().await;
        "passed"
    }
}

fn router() -> Router {
    routes(&Gate::default())
}

fn routes(gate: &Gate) -> Router {
    let gate = gate.clone();
    Router::new()
        .route("/", get(async || "hello"))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/refuse", post(async || (StatusCode::PAYLOAD_TOO_LARGE, "no")))
        .route("/slow", get(async || sleep(PAUSE).await))
        .route("/large", get(async || vec![b'x'; 64 << 20]))
        .route("/gate", get(move || gate.pass()))
        .route("/panic", get(async || -> () { panic!("as the test wants") }))
        .route("/peer", get(async |request: Request<Body>| request.extensions().get::<Peer>().unwrap().0.to_string()))
}

/// A listener of [`serve`].
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(router: Router, limits: Limits) -> Self {
        let (listener, address) = listener().await;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, router, limits, async { _ = stopped.await }));
        Self { address, stop: Some(stop), task }
    }

    async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn ended(self) {
        within(self.task).await.unwrap();
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap()
}

struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.0.write_all(bytes.as_ref())).await.unwrap();
    }

    /// One answer: its status, head and body.
    async fn answer(&mut self) -> (u16, String, String) {
        within(async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.0.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let field = |name| head.lines().find_map(|line| line.strip_prefix(name));
            let mut body = vec![0; field("content-length: ").unwrap().parse().unwrap()];
            self.0.read_exact(&mut body).await.unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (status, head, String::from_utf8(body).unwrap())
        })
        .await
    }

    async fn ask(&mut self, request: impl AsRef<[u8]>) -> (u16, String) {
        self.send(request).await;
        let (status, _, body) = self.answer().await;
        (status, body)
    }

    async fn hello(&mut self) {
        assert_eq!(self.ask(GET).await, (200, "hello".to_owned()));
    }

    /// The server closes the connection without a further byte.
    async fn closed(&mut self) {
        assert!(matches!(within(self.0.read_u8()).await.unwrap_err().kind(), UnexpectedEof | ConnectionReset));
    }
}

use io::ErrorKind::{ConnectionReset, UnexpectedEof};

/// A head of exactly `length` bytes with `fields` fields.
fn head(length: usize, fields: usize) -> String {
    let mut head = "GET / HTTP/1.1\r\n".to_owned();
    head.extend((1..fields).map(|field| format!("x-{field}: v\r\n")));
    let rest = length - head.len() - "host: \r\n\r\n".len();
    head + "host: " + &"h".repeat(rest) + "\r\n\r\n"
}

#[tokio::test]
async fn closes_a_new_connection_that_stays_silent() {
    let server = Server::start(router(), Limits { header_read_timeout: SHORT, ..LIMITS }).await;
    server.connect().await.closed().await;
}

#[tokio::test]
async fn closes_a_connection_whose_head_dribbles_in() {
    let server = Server::start(router(), Limits { header_read_timeout: SHORT, ..LIMITS }).await;
    let (mut reader, mut writer) = server.connect().await.0.into_split();
    let dribble = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\nx: ").await?;
        loop {
            writer.write_all(b"y").await?;
            sleep(SHORT / 10).await;
        }
        #[expect(unreachable_code, reason = "it names the type")]
        io::Result::Ok(())
    });
    // A reset, when a byte comes after the end.
    let _ = within(reader.read_u8()).await.unwrap_err();
    within(dribble).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_silent_start_and_then_a_head_have_the_header_time_each() {
    let half = Duration::from_millis(2200);
    let server = Server::start(router(), Limits { header_read_timeout: Duration::from_secs(4), ..LIMITS }).await;
    let mut client = server.connect().await;
    sleep(half).await;
    client.send(&GET[..10]).await;
    sleep(half).await;
    client.send(&GET[10..]).await;
    assert_eq!(client.answer().await.0, 200);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_time() {
    let server = Server::start(router(), Limits { header_read_timeout: SHORT, ..LIMITS }).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.hello().await;
        sleep(PAUSE).await;
    }
    client.hello().await;
}

#[tokio::test]
async fn closes_an_idle_connection_after_the_idle_time() {
    let server = Server::start(router(), Limits { idle_timeout: SHORT, ..LIMITS }).await;
    let mut client = server.connect().await;
    // A new connection is not idle.
    sleep(PAUSE).await;
    client.hello().await;
    client.closed().await;
}

#[tokio::test]
async fn closes_a_connection_with_half_a_second_head() {
    let server = Server::start(router(), Limits { header_read_timeout: SHORT, ..LIMITS }).await;
    let mut client = server.connect().await;
    client.hello().await;
    client.send(&GET[..10]).await;
    client.closed().await;
}

#[tokio::test]
async fn closes_a_connection_with_half_a_pipelined_head_after_the_idle_time() {
    let server = Server::start(router(), Limits { idle_timeout: SHORT, ..LIMITS }).await;
    let mut client = server.connect().await;
    assert_eq!(client.ask(format!("{GET}{}", &GET[..10])).await.0, 200);
    client.closed().await;
}

#[tokio::test]
async fn answers_pipelined_requests() {
    let server = Server::start(router(), LIMITS).await;
    let mut client = server.connect().await;
    client.send(GET.repeat(50)).await;
    for _ in 0..50 {
        assert_eq!(client.answer().await.0, 200);
    }
}

#[tokio::test]
async fn slow_bodies_and_slow_answers_are_the_handlers_business() {
    let limits = Limits { header_read_timeout: SHORT, idle_timeout: SHORT, write_timeout: SHORT, ..LIMITS };
    let server = Server::start(router(), limits).await;
    let mut client = server.connect().await;
    client.send("POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345").await;
    sleep(PAUSE).await;
    assert_eq!(client.ask("67890").await, (200, "10".to_owned()));
    assert_eq!(server.connect().await.ask("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.0, 200);
}

#[tokio::test]
async fn bounds_heads() {
    let server = Server::start(router(), LIMITS).await;
    for (length, fields, status) in [
        (31 * 1024, 100, 200),
        (32 * 1024, 100, 200),
        (32 * 1024 + 1, 1, 431),
        (33 * 1024, 1, 431),
        (300 * 1024, 1, 431),
        (2048, 100, 200),
        (2048, 101, 431),
    ] {
        let mut client = server.connect().await;
        let head = head(length, fields);
        assert_eq!(head.len(), length);
        assert_eq!(client.ask(head).await.0, status, "{length} bytes, {fields} fields");
        if status == 431 {
            client.closed().await;
        } else {
            client.hello().await;
        }
    }
}

#[tokio::test]
async fn takes_bodies_larger_than_its_buffer() {
    let server = Server::start(router(), LIMITS).await;
    let mut client = server.connect().await;
    for padding in [1, 30 * 1024] {
        let head = format!("POST /length HTTP/1.1\r\nhost: x\r\nx: {}\r\n", "y".repeat(padding));
        let body = "z".repeat(64 * 1024);
        let length = (200, "65536".to_owned());
        assert_eq!(client.ask(format!("{head}content-length: 65536\r\n\r\n{body}")).await, length);
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n10000\r\n{body}\r\n0\r\n\r\n");
        assert_eq!(client.ask(chunked).await, length);
    }
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let server = Server::start(router(), LIMITS).await;
    let mut client = server.connect().await;
    client.send("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 16777216\r\n\r\n").await;
    client.send(vec![0; 16 << 20]).await;
    assert_eq!(client.answer().await.0, 413);
    client.closed().await;
}

#[tokio::test]
async fn cuts_a_client_that_does_not_read_its_answer() {
    let server = Server::start(router(), Limits { write_timeout: SHORT, max_connections: 1, ..LIMITS }).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // Its place is free again.
    server.connect().await.hello().await;
    let mut answer = Vec::new();
    let error = within(client.0.read_to_end(&mut answer)).await.unwrap_err();
    assert_eq!(error.kind(), ConnectionReset);
    assert!(answer.len() < 64 << 20);
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_its_whole_answer() {
    let server = Server::start(router(), Limits { idle_timeout: SHORT, ..LIMITS }).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sleep(PAUSE).await;
    let (status, _, body) = client.answer().await;
    assert_eq!((status, body.len()), (200, 64 << 20));
    // From here on it is idle.
    client.closed().await;
}

#[tokio::test]
async fn bounds_connections() {
    let server = Server::start(router(), Limits { max_connections: 2, ..LIMITS }).await;
    let (mut first, mut second, mut third) = (server.connect().await, server.connect().await, server.connect().await);
    first.hello().await;
    second.hello().await;
    third.send(GET).await;
    timeout(PAUSE, third.0.readable()).await.unwrap_err();
    drop(first);
    assert_eq!(third.answer().await.0, 200);
    second.hello().await;
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let server = Server::start(router(), Limits { max_connections: 1, ..LIMITS }).await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.closed().await;
    server.connect().await.hello().await;
}

#[tokio::test]
async fn a_stop_answers_what_is_in_flight_and_closes_what_is_idle() {
    let gate = Gate::default();
    let mut server = Server::start(routes(&gate), LIMITS).await;
    let (mut new, mut idle, mut busy) = (server.connect().await, server.connect().await, server.connect().await);
    idle.hello().await;
    busy.send("GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(gate.entered.notified()).await;
    server.stop();
    new.closed().await;
    idle.closed().await;
    TcpStream::connect(server.address).await.unwrap_err();
    assert!(!server.task.is_finished());
    gate.open.notify_one();
    let (status, head, body) = busy.answer().await;
    assert_eq!((status, body.as_str()), (200, "passed"));
    assert!(head.contains("connection: close"), "{head}");
    busy.closed().await;
    server.ended().await;
}

#[tokio::test]
async fn dropping_a_server_cuts_its_connections() {
    let gate = Gate::default();
    let server = Server::start(routes(&gate), LIMITS).await;
    let mut busy = server.connect().await;
    busy.send("GET /gate HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(gate.entered.notified()).await;
    server.task.abort();
    busy.closed().await;
}

#[tokio::test]
async fn requests_carry_their_peer() {
    let server = Server::start(router(), LIMITS).await;
    let mut client = server.connect().await;
    let own = client.0.local_addr().unwrap().to_string();
    assert_eq!(client.ask("GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await, (200, own));
    assert_eq!(Peer::new("[::ffff:10.1.2.3]:4".parse().unwrap()).0, "10.1.2.3:4".parse().unwrap());
    assert_eq!(Peer::new("[2001:db8::1]:4".parse().unwrap()).0, "[2001:db8::1]:4".parse().unwrap());
}
