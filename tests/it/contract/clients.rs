//! The clients of the contract: curl, load balancers, scripts with a body, HTTP/2.

use testkit::client::{End, get};
use testkit::within;

use super::{unwell, well};

#[tokio::test]
async fn any_method_is_answered_with_or_without_a_body() {
    let (_service, sidecar) = well().await;
    let chunked = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let large = format!("Content-Length: 60000\r\n\r\n{}", "x".repeat(60_000));
    for (method, rest) in [
        ("GET", "\r\n"),
        ("POST", "Content-Length: 0\r\n\r\n"),
        ("POST", "Content-Length: 5\r\n\r\nhello"),
        ("POST", &large),
        ("PUT", chunked),
        ("GET", chunked),
        ("OPTIONS", "\r\n"),
        ("DELETE", "\r\n"),
        ("FOO", "\r\n"),
        ("PRIMES", "\r\n"),
        ("M-SEARCH", "\r\n"),
    ] {
        let mut connection = sidecar.connect().await;
        // The second request on the connection proves that the first body was read to its end.
        for _ in 0..2 {
            let request = format!("{method} /health HTTP/1.1\r\nHost: a\r\n{rest}");
            connection.send(request).await;
            assert_eq!(
                connection.answer().await.status_and_body(),
                (200, "OK"),
                "{method}"
            );
        }
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let (_service, sidecar) = well().await;
    for close in ["", "Connection: close\r\n"] {
        let mut connection = sidecar.connect().await;
        connection
            .send(format!("HEAD /health HTTP/1.1\r\nHost: a\r\n{close}\r\n"))
            .await;
        let head = connection.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 2\r\n"));
        if close.is_empty() {
            assert_eq!(
                connection.get("/health").await.status_and_body(),
                (200, "OK")
            );
        } else {
            assert_eq!(connection.end().await, (Vec::new(), End::Fin));
        }
    }
}

#[tokio::test]
async fn a_missing_body_delays_no_answer() {
    let (_service, sidecar) = well().await;
    for (head, sent) in [
        ("Content-Length: 100\r\n", "half"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhe"),
    ] {
        let mut connection = sidecar.connect().await;
        connection
            .send(format!(
                "POST /health HTTP/1.1\r\nHost: a\r\n{head}\r\n{sent}"
            ))
            .await;
        assert_eq!(
            connection.answer().await.status_and_body(),
            (200, "OK"),
            "{head}"
        );
    }
    let mut connection = sidecar.connect().await;
    connection
        .send(
            "POST /health HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        )
        .await;
    assert_eq!(connection.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    connection.send("hello").await;
    assert_eq!(connection.answer().await.status_and_body(), (200, "OK"));
}

#[tokio::test]
async fn curl_can_reuse_its_connection_and_offer_an_upgrade() {
    let (_service, sidecar) = well().await;
    let mut connection = sidecar.connect().await;
    for _ in 0..50 {
        assert_eq!(
            connection.get("/health").await.status_and_body(),
            (200, "OK")
        );
    }
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    connection
        .send(get("/health").replace("\r\n\r\n", &format!("\r\n{upgrade}")))
        .await;
    assert_eq!(connection.answer().await.status_and_body(), (200, "OK"));
}

#[tokio::test]
async fn http_1_0_and_requests_without_headers_are_answered() {
    let (_service, sidecar) = well().await;
    for (request, stays) in [
        ("GET /health HTTP/1.0\r\n\r\n", false),
        (
            "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            true,
        ),
        ("HEAD /livez HTTP/1.0\r\n\r\n", false),
        ("OPTIONS /health HTTP/1.0\r\nHost: a\r\n\r\n", false),
        ("GET /health HTTP/1.1\r\n\r\n", true),
        (
            "GET http://elsewhere:1/health HTTP/1.1\r\nHost: elsewhere:1\r\n\r\n",
            true,
        ),
        ("GET /health HTTP/1.1\nHost: a\n\n", true),
        ("\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n", true),
        (
            "GET /health HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n",
            false,
        ),
    ] {
        let mut connection = sidecar.connect().await;
        connection.send(request).await;
        let head = connection.head().await;
        assert!(head.contains(" 200 OK\r\n"), "{request:?}: {head}");
        if stays {
            assert_eq!(connection.body(2).await, "OK", "{request:?}");
            assert_eq!(
                connection.get("/health").await.status_and_body(),
                (200, "OK"),
                "{request:?}"
            );
        } else {
            assert_eq!(connection.end().await.1, End::Fin, "{request:?}");
        }
    }
}

#[tokio::test]
async fn connection_close_gets_the_whole_answer_and_a_clean_end() {
    let (_service, sidecar) = well().await;
    // The kubelet lingers for a second. A reset is a race, so it is tried a hundred times.
    for _ in 0..100 {
        assert_eq!(
            sidecar.probe("/health").await.status_and_body(),
            (200, "OK")
        );
    }
    let mut connection = sidecar.connect().await;
    let body = "x".repeat(60_000);
    let post = format!(
        "POST /health HTTP/1.1\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n{body}"
    );
    connection.send(post).await;
    assert_eq!(connection.answer().await.status_and_body(), (200, "OK"));
    assert_eq!(connection.end().await, (Vec::new(), End::Fin));
}

#[tokio::test]
async fn http_2_with_prior_knowledge_gets_the_same_answers() {
    let (_service, sidecar) = well().await;
    let (_service, unwell) = unwell().await;
    for (address, path, status, body) in [
        (sidecar.address, "/health", 200, "OK"),
        (unwell.address, "/health", 500, "NOT_HEALTHY"),
        (unwell.address, "/healthz", 503, "NOT_HEALTHY"),
        (
            unwell.address,
            "/livez",
            200,
            "sidecar alive, target not asked",
        ),
        (unwell.address, "/nothing", 404, "404 page not found\n"),
    ] {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        let driving = tokio::spawn(connection);
        for method in ["GET", "HEAD", "POST"] {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("http://{address}{path}"))
                .body(())
                .unwrap();
            let mut requests = requests.clone().ready().await.unwrap();
            let (response, _) = requests.send_request(request, true).unwrap();
            let response = within("an answer", response).await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
            let mut received = Vec::new();
            let mut data = response.into_body();
            while let Some(part) = within("a body", data.data()).await {
                received.extend_from_slice(&part.unwrap());
            }
            let expected = if method == "HEAD" { "" } else { body };
            assert_eq!(
                String::from_utf8(received).unwrap(),
                expected,
                "{method} {path}"
            );
        }
        driving.abort();
    }
}
