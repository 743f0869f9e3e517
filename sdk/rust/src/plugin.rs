//! From workflow functions to a component.

use crate::{
    Ctx, Error, FromTrigger, Outcome, Result, Settings, Trigger, bindings::exports::shopwright::plugin::handler,
    error::OrElse as _,
};

/// Makes a plugin of workflow functions: what the component exports.
///
/// ```
/// use shopwright_sdk::prelude::*;
///
/// fn welcome(ctx: &Ctx, new: CustomerCreated, _: NoSettings) -> Result<Outcome> {
///     ctx.messages().send_email(&Email::marketing(&new.customer, "welcome").because("a new customer"))?;
///     Outcome::done(json!({ "welcomed": new.customer.id }))
/// }
///
/// shopwright_sdk::plugin! { settings = NoSettings; workflows = { "welcome" => welcome } }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! plugin {
    (settings = $settings:ty; workflows = { $($name:literal => $function:path),+ $(,)? } $(;)?) => {
        #[doc(hidden)]
        pub struct __Plugin;

        impl $crate::__private::handler::Guest for __Plugin {
            fn run(
                workflow: ::std::string::String,
                trigger: $crate::__private::handler::Trigger,
                settings: ::std::string::String,
            ) -> ::std::result::Result<$crate::__private::handler::Outcome, $crate::__private::handler::Failure> {
                match workflow.as_str() {
                    $($name => $crate::__private::run::<_, $settings, _>($function, trigger, &settings),)+
                    _ => $crate::__private::no_such_workflow(&workflow, &[$($name),+]),
                }
            }
        }

        impl $crate::__private::about::Guest for __Plugin {
            fn settings_schema() -> ::std::string::String {
                $crate::settings::schema::<$settings>().to_string()
            }
        }

        // Natively (unit tests) there is nobody to export it to.
        #[cfg(target_family = "wasm")]
        $crate::bindings::export!(__Plugin with_types_in $crate::bindings);
    };
}

/// Runs one workflow function for the host.
#[doc(hidden)]
pub fn run<T, S, F>(
    function: F,
    trigger: handler::Trigger,
    settings: &str,
) -> Result<handler::Outcome, handler::Failure>
where
    T: FromTrigger,
    S: Settings,
    F: Fn(&Ctx, T, S) -> Result<Outcome>,
{
    let run = || {
        let settings: S = serde_json::from_str(settings).context("the settings")?;
        let trigger = T::from_trigger(Trigger::try_from(trigger)?).context("the trigger")?;
        function(&Ctx::new(), trigger, settings)
    };
    run().map(Into::into).map_err(Into::into)
}

#[doc(hidden)]
pub fn no_such_workflow(name: &str, known: &[&str]) -> Result<handler::Outcome, handler::Failure> {
    let known = known.join(", ");
    Err(Error::fatal(format!("the plugin has no workflow \"{name}\", it has: {known}; correct plugin.toml")).into())
}
