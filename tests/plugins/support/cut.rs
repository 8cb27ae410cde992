//! A way to a server that breaks off after so many bytes of what the server says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::hold;

/// What is after the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection's end.
    End,
    /// Nothing, for long.
    Silence,
}

/// Stands before a server.
pub(crate) struct Cut {
    pub(crate) address: SocketAddr,
    at: Arc<Mutex<(usize, Then)>>,
}

impl Cut {
    /// Lets everything through for now.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cut = Self { address: listener.local_addr().unwrap(), at: Arc::new(Mutex::new((usize::MAX, Then::End))) };
        let at = cut.at.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let at = *at.lock().unwrap();
                std::thread::spawn(move || carry(client, server, at));
            }
        });
        cut
    }

    /// From the next connection on, lets through so many bytes of the server's.
    pub(crate) fn after(&self, bytes: usize, then: Then) {
        *self.at.lock().unwrap() = (bytes, then);
    }
}

fn carry(mut client: TcpStream, server: SocketAddr, (mut left, then): (usize, Then)) {
    let Ok(mut server) = TcpStream::connect(server) else { return };
    let (mut questions, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _until_one_ends = std::io::copy(&mut questions, &mut to_server);
        let _gone = to_server.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 4096];
    while left > 0 {
        let Ok(read @ 1..) = server.read(&mut buffer) else { break };
        let through = read.min(left);
        if client.write_all(&buffer[..through]).is_err() {
            break;
        }
        left -= through;
    }
    if left == 0 && then == Then::Silence {
        // The other direction's thread sees the client go.
        hold(&mut server);
    }
    for stream in [client, server] {
        let _gone = stream.shutdown(Shutdown::Both);
    }
}
