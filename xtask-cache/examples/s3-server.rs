//! A server that speaks S3 and checks signatures, for tests and benchmarks:
//! `s3-server DIR [ACCESS_KEY SECRET_KEY [keep]]`. With `keep` nobody may delete anything. Each directory below DIR is a bucket. It prints its address, and ends when its stdin does.
#![expect(clippy::print_stdout, reason = "whoever started it reads the address")]

use std::io::Read as _;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;

/// Lets nobody delete.
struct Keep;

#[async_trait::async_trait]
impl S3Access for Keep {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.s3_op().name() == "DeleteObject" {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [root, keys @ ..] = args.as_slice() else {
        anyhow::bail!("usage: s3-server DIR [ACCESS_KEY SECRET_KEY [keep]]")
    };
    let files = s3s_fs::FileSystem::new(root).map_err(|it| anyhow::anyhow!("{it:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    if let [id, secret, rest @ ..] = keys {
        service.set_auth(SimpleAuth::from_single(id, secret.as_str()));
        if !rest.is_empty() {
            service.set_access(Keep);
        }
    }
    let service = service.build();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                // A client that goes away is the client's business.
                drop(server.serve_connection(TokioIo::new(socket), service).await);
            });
        }
        #[expect(unreachable_code, reason = "says what the loop may fail with")]
        Ok::<(), std::io::Error>(())
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    runtime.shutdown_background();
    Ok(())
}
