//! A way to a server that can be closed, cut, and made to break off after so
//! many bytes of what the server says.

use std::io::{Read as _, Write as _, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, Weak};
use std::thread;

use super::nowhere;

/// What is after the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection's end.
    End,
    /// Nothing, for as long as the other side waits.
    Silence,
}

/// Stands before a server.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    at: Arc<Mutex<(usize, Then)>>,
    open: Arc<Mutex<Vec<Weak<TcpStream>>>>,
}

impl Way {
    /// Nobody listens yet.
    pub(crate) fn closed() -> Self {
        Self { address: nowhere(), at: Arc::new(Mutex::new((usize::MAX, Then::End))), open: Arc::default() }
    }

    /// Lets everything through for now.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let way = Self::closed();
        way.open(server);
        way
    }

    /// Leads to the server from now on.
    pub(crate) fn open(&self, server: SocketAddr) {
        let listener = TcpListener::bind(self.address).unwrap();
        let (at, open) = (self.at.clone(), self.open.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let (client, server) = (Arc::new(client), Arc::new(server));
                open.lock().unwrap().extend([&client, &server].map(Arc::downgrade));
                let at = *at.lock().unwrap();
                thread::spawn(move || carry(&client, &server, at));
            }
        });
    }

    /// From the next connection on, lets through so many bytes of the server's.
    pub(crate) fn after(&self, bytes: usize, then: Then) {
        *self.at.lock().unwrap() = (bytes, then);
    }

    /// Cuts every connection; new ones are possible.
    pub(crate) fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..).filter_map(|stream| stream.upgrade()) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }
}

fn carry(client: &Arc<TcpStream>, server: &Arc<TcpStream>, (mut left, then): (usize, Then)) {
    let (questions, to_server) = (client.clone(), server.clone());
    let asking = thread::spawn(move || {
        let _until_one_ends = copy(&mut &*questions, &mut &*to_server);
        let _gone = to_server.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 4096];
    while left > 0 {
        let Ok(read @ 1..) = (&**server).read(&mut buffer) else { break };
        let through = read.min(left);
        if (&**client).write_all(&buffer[..through]).is_err() {
            break;
        }
        left -= through;
    }
    if left == 0 && then == Then::Silence {
        // A server that ends has the client wait all the same.
        let _client_is_gone = asking.join();
    }
    for stream in [client, server] {
        let _gone = stream.shutdown(Shutdown::Both);
    }
}
