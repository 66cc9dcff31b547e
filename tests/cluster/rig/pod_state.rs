//! The state of a pod at one moment.

use std::fmt;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod, PodStatus};

/// The state of a pod, as the kubelet reported it.
#[derive(Clone, Debug)]
pub struct PodState(pub Pod);

// === impl PodState ===

impl PodState {
    pub fn is_ready(&self) -> bool {
        let conditions = self.status().and_then(|status| status.conditions.as_ref());
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|it| it.type_ == "Ready" && it.status == "True")
    }

    /// Returns how often the kubelet has restarted this container.
    pub fn restarts(&self, container: &str) -> i32 {
        self.container(container).map_or(0, |it| it.restart_count)
    }

    pub fn is_running(&self, container: &str) -> bool {
        let state = self.container(container).and_then(|it| it.state.as_ref());
        state.is_some_and(|state| state.running.is_some())
    }

    /// Returns whether the container itself is ready. The pod is Ready only when all of its
    /// containers are.
    pub fn is_container_ready(&self, container: &str) -> bool {
        self.container(container).is_some_and(|it| it.ready)
    }

    /// Returns the status of a container, or of a native sidecar.
    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.containers().find(|it| it.name == name)
    }

    /// Returns the second in which it was started last.
    pub fn started(&self, container: &str) -> Option<i64> {
        let state = self.container(container)?.state.as_ref()?;
        let running = state.running.as_ref().and_then(|it| it.started_at.as_ref());
        let terminated = state
            .terminated
            .as_ref()
            .and_then(|it| it.started_at.as_ref());
        Some(running.or(terminated)?.0.as_second())
    }

    /// Returns the second in which it ended, and its exit code.
    pub fn finished(&self, container: &str) -> Option<(i64, i32)> {
        let terminated = self
            .container(container)?
            .state
            .as_ref()?
            .terminated
            .as_ref()?;
        Some((
            terminated.finished_at.as_ref()?.0.as_second(),
            terminated.exit_code,
        ))
    }

    /// Returns code and reason of its end before the last restart.
    pub fn ended_before(&self, container: &str) -> Option<(i32, &str)> {
        let state = self.container(container)?.last_state.as_ref()?;
        let terminated = state.terminated.as_ref()?;
        Some((
            terminated.exit_code,
            terminated.reason.as_deref().unwrap_or_default(),
        ))
    }

    pub fn ip(&self) -> Option<&str> {
        self.status()?.pod_ip.as_deref()
    }

    pub fn phase(&self) -> &str {
        self.status()
            .and_then(|status| status.phase.as_deref())
            .unwrap_or_default()
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        Some(self.0.metadata.annotations.as_ref()?.get(key)?)
    }

    /// Returns the restarts of all containers, such as `greeter 1, health 0`.
    pub fn all_restarts(&self) -> String {
        let mut containers: Vec<_> = self.containers().collect();
        containers.sort_by_key(|it| &it.name);
        let each = containers
            .iter()
            .map(|it| format!("{} {}", it.name, it.restart_count));
        each.collect::<Vec<_>>().join(", ")
    }

    fn status(&self) -> Option<&PodStatus> {
        self.0.status.as_ref()
    }

    fn containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        let kinds = self
            .status()
            .map(|it| [&it.init_container_statuses, &it.container_statuses]);
        kinds.into_iter().flatten().flatten().flatten()
    }
}

impl fmt::Display for PodState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = if self.is_ready() {
            "Ready"
        } else {
            "not Ready"
        };
        write!(f, "{}, {ready}", self.phase())?;
        for it in self.containers() {
            let state = it.state.as_ref().map_or_else(String::new, described);
            write!(f, "; {} {state}, restarts {}", it.name, it.restart_count)?;
        }
        Ok(())
    }
}

fn described(state: &ContainerState) -> String {
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().unwrap_or_default();
        return format!("waits: {reason} {message}");
    }
    if let Some(terminated) = &state.terminated {
        let message = terminated.message.as_deref().unwrap_or_default();
        return format!("has ended with {} {message}", terminated.exit_code);
    }
    "runs".to_owned()
}

/// Returns the current second, as a kubelet would write it.
pub fn this_second() -> i64 {
    k8s_openapi::jiff::Timestamp::now().as_second()
}
