//! Where the token is given.

use maud::{Markup, html};

use super::{Visitor, layout};

/// The form; `is_wrong` after a token that was none.
pub(in crate::web) fn page(visitor: &Visitor, is_wrong: bool) -> Markup {
    let content = html! {
        h1 { "Sign in" }
        @if visitor.may_sign_in {
            @if is_wrong { p.alert { "That is not the token." } }
            p { "With the token of " code { "http.token_file" } " you may retry, cancel, resume and resolve here." }
            form.login method="post" action="/login" {
                label for="token" { "Token" }
                input #token type="password" name="token" autocomplete="current-password" required autofocus;
                button { "Sign in" }
            }
        } @else {
            p { "Here one can only look. To act from here, set " code { "http.actions = true" }
                " and " code { "http.token_file" } ", and restart parserd." }
        }
    };
    layout::page(visitor, "Sign in", false, &content)
}
