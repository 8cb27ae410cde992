//! The composition root: from a configuration and plug-ins to a router and a
//! running service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::authenticate::Authenticator;
use crate::authorize::{Authorizer, Veto};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::http;
use crate::serve::{self, Ended, Limits, Listeners, Readiness, Shutdown};
use crate::snapshot::{Outside, PlugIns, Snapshot};

/// Roomkey, built and ready to serve.
#[derive(Debug)]
pub struct Roomkey {
    handle: Handle,
    limits: Limits,
    shutdown: Shutdown,
}

/// Puts new configurations in place of the running one.
#[derive(Clone, Debug)]
pub struct Handle {
    current: Arc<ArcSwap<Running>>,
    outside: Arc<Outside>,
}

/// A configuration and its routes.
#[derive(Debug)]
struct Running {
    snapshot: Arc<Snapshot>,
    router: Router,
}

impl Running {
    fn new(config: &Config, outside: &Outside) -> Result<Self, BuildError> {
        let snapshot = Arc::new(Snapshot::new(config, outside).map_err(BuildError)?);
        Ok(Self { router: http::public(snapshot.clone()), snapshot })
    }
}

impl Handle {
    /// Requests that begin from here on see this configuration; those under way
    /// end on theirs. Listeners and their bounds stay as they are.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up; the old one stays in place.
    pub fn replace(&self, config: &Config) -> Result<(), BuildError> {
        self.current.store(Arc::new(Running::new(config, &self.outside)?));
        Ok(())
    }

    /// Whether a request could be decided on now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.current.load().snapshot.is_ready()
    }
}

/// Why a [`Roomkey`] could not be built.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(String);

/// Builds a [`Roomkey`].
#[derive(Debug)]
pub struct Builder {
    config: Config,
    plug_ins: PlugIns,
    clock: Arc<dyn Clock>,
}

impl Builder {
    /// Adds an authenticator before the configured ones.
    #[must_use]
    pub fn authenticator(mut self, authenticator: impl Authenticator + 'static) -> Self {
        self.plug_ins.authenticators.push(Arc::new(authenticator));
        self
    }

    /// Adds an authorizer before the configured ones.
    #[must_use]
    pub fn authorizer(mut self, authorizer: impl Authorizer + 'static) -> Self {
        self.plug_ins.authorizers.push(Arc::new(authorizer));
        self
    }

    /// Adds a check after the decision.
    #[must_use]
    pub fn veto(mut self, veto: impl Veto + 'static) -> Self {
        self.plug_ins.vetoes.push(Arc::new(veto));
        self
    }

    /// Takes the time from another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Prepares keys, chains, connections and routes.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up, such as without any CA certificates.
    pub fn build(self) -> Result<Roomkey, BuildError> {
        // A second call finds the provider installed, which is as good.
        let _installed_before = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let server = &self.config.server;
        let limits = Limits {
            header_read_timeout: server.header_read_timeout,
            idle_timeout: server.idle_timeout,
            write_timeout: server.request_timeout.max(Duration::from_secs(1)),
            max_connections: server.max_connections,
        };
        let shutdown = Shutdown { delay: server.shutdown_delay, grace: server.shutdown_grace };
        let outside = Arc::new(Outside::new(self.plug_ins, self.clock));
        let running = Running::new(&self.config, &outside)?;
        let handle = Handle { current: Arc::new(ArcSwap::from_pointee(running)), outside };
        Ok(Roomkey { handle, limits, shutdown })
    }
}

impl Roomkey {
    /// Begins with a configuration.
    #[must_use]
    pub fn builder(config: Config) -> Builder {
        Builder { config, plug_ins: PlugIns::default(), clock: Arc::new(SystemClock) }
    }

    /// What puts new configurations in place while this one serves.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The public routes. Whoever serves them elsewhere than with
    /// [`Roomkey::serve`] bounds heads and connections there.
    pub fn router(&self) -> Router {
        Router::new().fallback_service(Current(self.handle.current.clone()))
    }

    /// Serves until `signals` end it: the first begins to drain, the second
    /// ends at once.
    pub async fn serve(self, public: TcpListener, admin: Option<TcpListener>, signals: mpsc::Receiver<()>) -> Ended {
        let readiness = Arc::new(Readiness::default());
        let (serving, handle) = (readiness.clone(), self.handle.clone());
        let is_ready = Arc::new(move || serving.is_ready() && handle.is_ready());
        let listeners = Listeners {
            public: vec![(public, self.router())],
            admin: admin.map(|listener| (listener, http::admin(is_ready))),
        };
        serve::run(listeners, self.limits, self.shutdown, readiness, signals).await
    }
}

/// The routes of the newest configuration, taken anew by each request.
#[derive(Clone, Debug)]
struct Current(Arc<ArcSwap<Running>>);

impl tower::Service<Request> for Current {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let mut router = self.0.load().router.clone();
        Box::pin(router.call(request))
    }
}
