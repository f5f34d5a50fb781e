//! `x-envoy-decorator-operation`: the name of what is done, which the two proxies of a request tell
//! each other. Nothing makes spans here, but the other side may, and nobody else gets to see it.

use ferromesh_http::ResponseHead;
use ferromesh_route::Decorator;

use super::exchange::Exchange;
use crate::compiled::TrafficDirection;

const NAME: &str = "x-envoy-decorator-operation";

impl Exchange<'_> {
    /// Tells the endpoint's proxy the operation, or takes what the client's proxy told.
    pub(super) fn tell_operation(&mut self) {
        if !self.manager.traces {
            return;
        }
        if self.is_egress() {
            if let Some(operation) = self.told_operation() {
                self.head.headers.set(NAME, operation);
            }
            return;
        }
        if let Some(told) = self.head.headers.find(NAME) {
            // A name that came is the name that holds; it is not told back.
            self.operation_came = !told.is_empty();
            self.head.headers.remove(NAME);
        }
    }

    /// The other way round for the answer.
    pub(super) fn answer_operation(&self, head: &mut ResponseHead) {
        if !self.manager.traces {
            return;
        }
        if self.is_egress() {
            head.headers.remove(NAME);
        } else if !self.operation_came
            && let Some(operation) = self.told_operation()
        {
            head.headers.set(NAME, operation);
        }
    }

    fn is_egress(&self) -> bool {
        self.connection.listener.direction == TrafficDirection::Outbound
    }

    fn told_operation(&self) -> Option<String> {
        let decorator: &Decorator = self.route.as_ref()?.decorator.as_ref()?;
        decorator
            .propagate
            .then(|| decorator.operation.as_str().to_owned())
    }
}
