//! Scripts of services: healthy ones of every protocol, and the parts of broken ones.

mod debug;
mod grpc;
mod http1;
mod raw;
mod stream;

pub use self::debug::{DebugStatus, debug_service, grpc};
pub use self::grpc::{bare_grpc, failing, grpc_health};
pub use self::http1::{HEALTHY_MUCP, answering, http, mucp};
pub use self::raw::{call_answered_by, http2, silent, speaking_first};
pub use self::stream::{cut, read_either, read_request, speaks_http2, until_closed};
