//! PURE: with how much effort a page is fetched: through which proxies, and whether it is rendered.

use serde_json::{Map, Value};

use crate::core::job::named_enum;

named_enum! {
    /// The proxies that a page is fetched through, the cheapest first.
    Proxy {
        /// Those of each plan.
        Standard = "standard",
        /// `premium`
        Premium = "premium",
        /// `ultra_premium`, which excludes `premium`.
        UltraPremium = "ultra_premium",
    }
}

/// What a fetch asks for beside the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Effort {
    /// Through which proxies.
    pub proxy: Proxy,
    /// Whether the page's JavaScript is run.
    pub render: bool,
}

impl Effort {
    /// The least there is.
    pub const LEAST: Self = Self {
        proxy: Proxy::Standard,
        render: false,
    };

    /// What these `scraper_params` ask for.
    pub fn of(params: Option<&Map<String, Value>>) -> Self {
        let is_set = |key| params.and_then(|params| params.get(key)) == Some(&Value::Bool(true));
        let proxy = if is_set("ultra_premium") {
            Proxy::UltraPremium
        } else if is_set("premium") {
            Proxy::Premium
        } else {
            Proxy::Standard
        };
        Self {
            proxy,
            render: is_set("render"),
        }
    }

    /// At least as much as both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            proxy: self.proxy.max(other.proxy),
            render: self.render || other.render,
        }
    }

    /// The same through the next better proxies, if there are any.
    pub fn through_better(self) -> Option<Self> {
        let proxy = match self.proxy {
            Proxy::Standard => Proxy::Premium,
            Proxy::Premium => Proxy::UltraPremium,
            Proxy::UltraPremium => return None,
        };
        Some(Self { proxy, ..self })
    }

    /// The same, rendered.
    #[must_use]
    pub const fn rendered(self) -> Self {
        Self {
            render: true,
            ..self
        }
    }

    /// What a fetch costs, in credits, on a site that costs no more than others
    /// (AI_PARSER_API.md, "The vendor's fetch API").
    pub const fn credits(self) -> i64 {
        match (self.proxy, self.render) {
            (Proxy::Standard, false) => 1,
            (Proxy::Standard, true) | (Proxy::Premium, false) => 10,
            (Proxy::Premium, true) => 25,
            (Proxy::UltraPremium, false) => 30,
            (Proxy::UltraPremium, true) => 75,
        }
    }

    /// The parameter in which it goes beyond `before`, as it is written in a job file.
    pub fn line_beyond(self, before: Self) -> String {
        let mut set = Vec::new();
        if self.proxy > before.proxy {
            set.push(format!("{} = true", self.proxy));
        }
        if self.render && !before.render {
            set.push("render = true".to_owned());
        }
        format!("scraper_params = {{ {} }}", set.join(", "))
    }

    /// These parameters with this effort in place of theirs.
    pub fn applied_to(self, params: Option<&Map<String, Value>>) -> Map<String, Value> {
        let mut params = params.cloned().unwrap_or_default();
        if self.proxy != Self::of(Some(&params)).proxy {
            params.remove("premium");
            params.remove("ultra_premium");
            params.insert(self.proxy.as_str().to_owned(), Value::Bool(true));
        }
        if self.render {
            params.insert("render".to_owned(), Value::Bool(true));
        }
        params
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn an_effort_is_read_from_parameters_and_written_to_them() {
        for (params, credits, with_premium) in [
            (json!({}), 1, json!({"premium": true})),
            (json!({"premium": true}), 10, json!({"premium": true})),
            (
                json!({"render": true}),
                10,
                json!({"render": true, "premium": true}),
            ),
            (
                json!({"premium": true, "render": true, "country_code": "de"}),
                25,
                json!({"premium": true, "render": true, "country_code": "de"}),
            ),
            (
                json!({"ultra_premium": true}),
                30,
                json!({"ultra_premium": true}),
            ),
            (
                json!({"ultra_premium": true, "render": true}),
                75,
                json!({"ultra_premium": true, "render": true}),
            ),
            (json!({"premium": false}), 1, json!({"premium": true})),
        ] {
            let params = map(&params);
            let own = Effort::of(Some(&params));
            assert_eq!(own.credits(), credits, "{params:?}");
            let premium = Effort {
                proxy: Proxy::Premium,
                render: false,
            };
            let applied = own.and(premium).applied_to(Some(&params));
            assert_eq!(applied, map(&with_premium), "{params:?}");
        }
        let best = Effort::LEAST
            .through_better()
            .and_then(Effort::through_better);
        let applied = best.map(|best| best.applied_to(Some(&map(&json!({"premium": true})))));
        assert_eq!(applied, Some(map(&json!({"ultra_premium": true}))));
        assert_eq!(best.and_then(Effort::through_better), None);
    }

    #[test]
    fn the_line_to_write_names_only_what_is_new() {
        let premium = Effort {
            proxy: Proxy::Premium,
            render: false,
        };
        for (effort, before, line) in [
            (
                premium,
                Effort::LEAST,
                "scraper_params = { premium = true }",
            ),
            (
                premium.rendered(),
                premium,
                "scraper_params = { render = true }",
            ),
            (
                premium.rendered(),
                Effort::LEAST,
                "scraper_params = { premium = true, render = true }",
            ),
        ] {
            assert_eq!(effort.line_beyond(before), line);
        }
    }
}
