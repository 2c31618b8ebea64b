#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "tests/stripesim/params.h"

// The parameters of every endpoint, in the language of params.h, typed to the leaf whether or not the simulator has a
// behaviour for them: what Stripe refuses is refused here too. Words in capitals stand for the parts of kParts.
//
// Open on purpose (BY_METHOD): the options of each payment method, in checkout sessions and in the payment settings of
// subscriptions. Each of some fifty methods has a hash of its own, and the simulator pays with cards only; that every
// method's options are a hash is checked, their names aren't.

namespace stripesim {
namespace {

struct Row {
  const char* operation;
  const char* spec;
};

struct Part {
  std::string_view name;
  std::string_view spec;
};

const Part kParts[] = {
    // People and amounts.
    {"ADDRESS", "{city~:s country~:s line1~:s line2~:s postal_code~:s state~:s}"},
    {"SHIPPING", "{address!:ADDRESS name!:s phone:s}"},
    {"PARCEL",
     "{address!:{city:s country:s line1!:s line2:s postal_code:s state:s} name!:s phone:s carrier:s "
     "tracking_number:s}"},
    {"NAMED_VALUES", "[{name!:s value!:s}]"},
    {"INTERVAL", "e(day|week|month|year)"},
    {"EVERY", "{interval!:INTERVAL interval_count:i}"},
    {"DISCOUNTS", "[{coupon:s discount:s promotion_code:s}]"},
    {"NEW_DISCOUNTS", "[{coupon:s promotion_code:s}]"},
    {"TRANSFER", "{amount:i destination!:s}"},
    {"TRANSFER_PERCENT", "{amount_percent:n destination!:s}"},
    {"BY_METHOD", "<~<x>>"},

    // Tax.
    {"TAX_BEHAVIOR", "e(exclusive|inclusive|unspecified)"},
    {"TAX_DETAILS", "{performance_location:s tax_code:s}"},
    {"LIABILITY", "{account:s type!:e(account|self)}"},
    {"AUTOMATIC_TAX", "{enabled!:b liability:LIABILITY}"},
    {"TAX_ID_COLLECTION", "{enabled!:b required:e(if_supported|never)}"},

    // Products and prices.
    {"PACKAGE", "{height!:n length!:n weight!:n width!:n}"},
    {"CUSTOM_AMOUNT", "{enabled!:b maximum:i minimum:i preset:i}"},
    {"TIERS", "[{flat_amount:i flat_amount_decimal:n unit_amount:i unit_amount_decimal:n up_to!:s}]"},
    {"CURRENCY_OPTIONS",
     "<{custom_unit_amount:CUSTOM_AMOUNT tax_behavior:TAX_BEHAVIOR tiers:TIERS unit_amount:i unit_amount_decimal:n}>"},
    {"AMOUNT", "tax_behavior:TAX_BEHAVIOR unit_amount:i unit_amount_decimal:n"},
    {"PRICE_DATA",
     "{currency!:s product:s product_data:{name!:s description:s images:[s] metadata:m tax_code:s "
     "tax_details:TAX_DETAILS unit_label:s} recurring:EVERY AMOUNT}"},
    {"ITEM_PRICE_DATA", "{currency!:s product!:s recurring!:EVERY AMOUNT}"},
    {"ONCE_PRICE_DATA", "{currency!:s product!:s AMOUNT}"},
    {"DEFAULT_PRICE_DATA",
     "{currency!:s currency_options:CURRENCY_OPTIONS custom_unit_amount:CUSTOM_AMOUNT metadata:m recurring:EVERY "
     "AMOUNT}"},

    // Invoices and subscriptions.
    {"RENDERING", "{amount_tax_display~:e(exclude_tax|include_inclusive_tax) template:s}"},
    {"INVOICE_SETTINGS", "{account_tax_ids~:[s] custom_fields~:NAMED_VALUES description:s footer:s issuer:LIABILITY}"},
    {"INVOICE_CREATION",
     "{enabled!:b invoice_data:{account_tax_ids~:[s] custom_fields~:NAMED_VALUES description:s footer:s "
     "issuer:LIABILITY "
     "metadata:m rendering_options~:RENDERING}}"},
    {"ANCHOR_CONFIG", "{day_of_month!:i hour:i minute:i month:i second:i}"},
    {"BILLING_MODE", "{type!:e(classic|flexible) flexible:{proration_discounts:e(included|itemized)}}"},
    {"TRIAL_SETTINGS", "{end_behavior!:{missing_payment_method!:e(cancel|create_invoice|pause)}}"},
    {"ITEM_THRESHOLDS", "{usage_gte!:i}"},
    {"CURRENT_TRIAL", "{trial_offer!:s}"},
    {"ITEM_FIELDS",
     "price:s price_data:ITEM_PRICE_DATA plan:s quantity:i metadata~:m "
     "tax_rates~:[s] discounts~:DISCOUNTS billing_thresholds~:ITEM_THRESHOLDS current_trial:CURRENT_TRIAL"},
    {"NEW_ITEM", "{ITEM_FIELDS}"},
    {"ITEM", "{id:s deleted:b clear_usage:b ITEM_FIELDS}"},
    {"INVOICE_ITEM",
     "{discountable:b discounts:DISCOUNTS metadata:m "
     "period:{end!:{timestamp:t type!:e(min_item_period_end|timestamp)} "
     "start!:{timestamp:t type!:e(max_item_period_start|now|timestamp)}} "
     "price:s price_data:ONCE_PRICE_DATA quantity:i tax_rates~:[s]}"},
    {"BILL_UNTIL", "{duration:EVERY timestamp:t type!:e(duration|timestamp)}"},
    {"APPLIES_TO", "[{price:s type!:e(price)}]"},
    {"THRESHOLDS", "{amount_gte:i reset_billing_cycle_anchor:b}"},
    {"PAYMENT_SETTINGS",
     "{payment_method_options:BY_METHOD payment_method_types~:[s] save_default_payment_method:e(off|on_subscription)}"},

    // Checkout pages.
    {"ADJUSTABLE", "{enabled!:b maximum:i minimum:i}"},
    {"OPTIONAL_ITEMS", "[{adjustable_quantity:ADJUSTABLE price!:s quantity!:i}]"},
    {"CONSENT",
     "{payment_method_reuse_agreement:{position!:e(auto|hidden)} promotions:e(auto|none) "
     "terms_of_service:e(none|required)}"},
    {"TYPED_FIELD", "{default_value:s maximum_length:i minimum_length:i}"},
    {"CUSTOM_FIELDS",
     "[{key!:s label!:{custom!:s type!:e(custom)} type!:e(dropdown|numeric|text) optional:b "
     "dropdown:{default_value:s options!:[{label!:s value!:s}]} numeric:TYPED_FIELD text:TYPED_FIELD}]"},
    {"MESSAGE", "{message!:s}"},
    {"CUSTOM_TEXT",
     "{after_submit~:MESSAGE shipping_address~:MESSAGE submit~:MESSAGE terms_of_service_acceptance~:MESSAGE}"},
    {"NAME_COLLECTION", "{business:{enabled!:b optional:b} individual:{enabled!:b optional:b}}"},
    {"DELIVERY", "{unit!:e(business_day|day|hour|month|week) value!:i}"},
    {"SHIPPING_OPTIONS",
     "[{shipping_rate:s shipping_rate_data:{display_name!:s delivery_estimate:{maximum:DELIVERY minimum:DELIVERY} "
     "fixed_amount:{amount!:i currency!:s currency_options:<{amount!:i tax_behavior:TAX_BEHAVIOR}>} metadata:m "
     "tax_behavior:TAX_BEHAVIOR tax_code:s type:e(fixed_amount)}}]"},
    {"SHIPPING_COUNTRIES", "{allowed_countries!:[s]}"},
    {"IMAGE", "{file:s type!:e(file|url) url:s}"},
    {"AFTER_COMPLETION",
     "{type!:e(hosted_confirmation|redirect) hosted_confirmation:{custom_message:s} redirect:{url!:s}}"},
};

const Row kRows[] = {
    {"GET /v1/account", ""},

    {"POST /v1/customers",
     "address~:ADDRESS balance:i business_name~:s "
     "cash_balance:{settings:{reconciliation_mode:e(automatic|manual|merchant_default)}} description~:s email~:s "
     "individual_name~:s invoice_prefix:s invoice_settings:{custom_fields~:NAMED_VALUES default_payment_method:s "
     "footer:s rendering_options~:RENDERING} metadata:m name~:s next_invoice_sequence:i payment_method:s phone~:s "
     "preferred_locales:[s] shipping~:SHIPPING source:s tax:{ip_address:s validate_location:e(deferred|immediately)} "
     "tax_exempt~:e(exempt|none|reverse) tax_id_data:[{type!:s value!:s}] test_clock:s validate:b"},
    {"GET /v1/customers", "list email:s created:r test_clock:s"},
    {"GET /v1/customers/{id}", ""},
    {"POST /v1/customers/{id}",
     "address~:ADDRESS balance:i business_name~:s "
     "cash_balance:{settings:{reconciliation_mode:e(automatic|manual|merchant_default)}} default_source:s "
     "description~:s email~:s individual_name~:s invoice_prefix:s invoice_settings:{custom_fields~:NAMED_VALUES "
     "default_payment_method~:s footer~:s rendering_options~:RENDERING} metadata:m name~:s next_invoice_sequence:i "
     "phone~:s preferred_locales:[s] shipping~:SHIPPING source:s tax:{ip_address~:s "
     "validate_location:e(auto|deferred|immediately)} tax_exempt~:e(exempt|none|reverse) validate:b"},
    {"DELETE /v1/customers/{id}", ""},
    {"GET /v1/customers/{id}/payment_methods", "list allow_redisplay:e(always|limited|unspecified) type:s"},
    {"GET /v1/customers/{customerId}/payment_methods/{id}", ""},

    {"POST /v1/products",
     "name!:s active:b default_price_data:DEFAULT_PRICE_DATA description:s id:s images:[s] "
     "marketing_features:[{name!:s}] metadata:m package_dimensions:PACKAGE shippable:b statement_descriptor:s "
     "tax_code:s tax_details:TAX_DETAILS type:e(good|service) unit_label:s url:s"},
    {"GET /v1/products", "list active:b created:r ids:[s] shippable:b type:s url:s"},
    {"GET /v1/products/{id}", ""},
    {"POST /v1/products/{id}",
     "active:b default_price:s description~:s images~:[s] marketing_features~:[{name!:s}] metadata:m name:s "
     "package_dimensions~:PACKAGE shippable:b statement_descriptor:s tax_code~:s tax_details~:TAX_DETAILS "
     "unit_label~:s url~:s"},
    {"DELETE /v1/products/{id}", ""},

    {"POST /v1/prices",
     "currency!:s active:b billing_scheme:e(per_unit|tiered) currency_options:CURRENCY_OPTIONS "
     "custom_unit_amount:CUSTOM_AMOUNT lookup_key:s metadata:m nickname:s product:s product_data:{name!:s active:b "
     "id:s metadata:m statement_descriptor:s tax_code:s tax_details:TAX_DETAILS unit_label:s} "
     "recurring:{interval!:e(day|month|week|year) interval_count:i meter:s trial_period_days:i "
     "usage_type:e(licensed|metered)} tax_behavior:TAX_BEHAVIOR tiers:TIERS tiers_mode:e(graduated|volume) "
     "transfer_lookup_key:b transform_quantity:{divide_by!:i round!:e(down|up)} unit_amount:i unit_amount_decimal:n"},
    {"GET /v1/prices",
     "list active:b created:r currency:s lookup_keys:[s] product:s recurring:{interval:INTERVAL meter:s "
     "usage_type:e(licensed|metered)} type:e(one_time|recurring)"},
    {"GET /v1/prices/{id}", ""},
    {"POST /v1/prices/{id}",
     "active:b currency_options~:CURRENCY_OPTIONS lookup_key:s metadata:m nickname~:s tax_behavior:TAX_BEHAVIOR "
     "transfer_lookup_key:b"},

    {"POST /v1/checkout/sessions",
     "adaptive_pricing:{enabled:b} after_expiration:{recovery:{allow_promotion_codes:b enabled!:b}} "
     "allow_promotion_codes:b allowed_payment_method_types:[s] automatic_tax:AUTOMATIC_TAX "
     "billing_address_collection:e(auto|required) branding_settings:{background_color~:s "
     "border_style~:e(pill|rectangular|rounded) button_color~:s display_name:s font_family~:s icon:IMAGE logo:IMAGE} "
     "cancel_url:s client_reference_id:s consent_collection:CONSENT currency:s custom_fields:CUSTOM_FIELDS "
     "custom_text:CUSTOM_TEXT customer:s customer_account:s customer_creation:e(always|if_required) customer_email:s "
     "customer_update:{address:e(auto|never) name:e(auto|never) shipping:e(auto|never)} discounts:NEW_DISCOUNTS "
     "excluded_payment_method_types:[s] expires_at:t integration_identifier:s invoice_creation:INVOICE_CREATION "
     "line_items:[{adjustable_quantity:ADJUSTABLE metadata:m price:s price_data:PRICE_DATA quantity:i tax_rates:[s]}] "
     "locale:s managed_payments:{enabled:b} metadata:m mode!:e(payment|setup|subscription) "
     "name_collection:NAME_COLLECTION optional_items:OPTIONAL_ITEMS origin_context:e(mobile_app|web) "
     "payment_intent_data:{application_fee_amount:i capture_method:s description:s metadata:m on_behalf_of:s "
     "receipt_email:s setup_future_usage:e(off_session|on_session) shipping:PARCEL statement_descriptor:s "
     "statement_descriptor_suffix:s transfer_data:TRANSFER "
     "transfer_group:s} payment_method_collection:e(always|if_required) payment_method_configuration:s "
     "payment_method_data:{allow_redisplay:e(always|limited|unspecified)} payment_method_options:BY_METHOD "
     "payment_method_types<2026-09-30:[s] permissions:{update_shipping_details:e(client_only|server_only)} "
     "phone_number_collection:{enabled!:b} redirect_on_completion:e(always|if_required|never) return_url:s "
     "saved_payment_method_options:{allow_redisplay_filters:[e(always|limited|unspecified)] "
     "payment_method_remove:e(disabled|enabled) payment_method_save:e(disabled|enabled)} "
     "setup_intent_data:{description:s metadata:m on_behalf_of:s} shipping_address_collection:SHIPPING_COUNTRIES "
     "shipping_options:SHIPPING_OPTIONS submit_type:e(auto|book|donate|pay|subscribe) "
     "subscription_data:{application_fee_percent:n billing_cycle_anchor:t billing_cycle_anchor_config:ANCHOR_CONFIG "
     "billing_mode:BILLING_MODE default_tax_rates:[s] description:s invoice_settings:INVOICE_SETTINGS metadata:m "
     "on_behalf_of:s pending_invoice_item_interval:EVERY proration_behavior:e(create_prorations|none) "
     "transfer_data:TRANSFER_PERCENT trial_end:t trial_period_days:i trial_settings:TRIAL_SETTINGS} success_url:s "
     "tax_id_collection:TAX_ID_COLLECTION ui_mode:s wallet_options:{link:{display:e(auto|never)}}"},
    {"GET /v1/checkout/sessions",
     "list created:r customer:s customer_account:s customer_details:{email!:s} payment_intent:s "
     "payment_link:s status:e(complete|expired|open) subscription:s"},
    {"GET /v1/checkout/sessions/{id}", ""},
    {"POST /v1/checkout/sessions/{id}",
     "collected_information:{shipping_details:{address!:{city:s country!:s line1!:s line2:s postal_code:s state:s} "
     "name!:s}} line_items:[{adjustable_quantity:ADJUSTABLE id:s metadata:m price:s price_data:PRICE_DATA quantity:i "
     "tax_rates~:[s]}] metadata:m payment_intent_data:{description:s metadata:m "
     "setup_future_usage~:e(off_session|on_session) statement_descriptor:s statement_descriptor_suffix:s} "
     "shipping_options~:SHIPPING_OPTIONS"},
    {"POST /v1/checkout/sessions/{id}/expire", ""},
    {"GET /v1/checkout/sessions/{id}/line_items", "list"},

    {"POST /v1/subscriptions",
     "add_invoice_items:[INVOICE_ITEM] application_fee_percent~:n automatic_tax:AUTOMATIC_TAX backdate_start_date:t "
     "billing_cycle_anchor:t billing_cycle_anchor_config:ANCHOR_CONFIG billing_mode:BILLING_MODE "
     "billing_schedules:[{applies_to:APPLIES_TO bill_until!:BILL_UNTIL key:s}] billing_thresholds~:THRESHOLDS "
     "cancel_at:s cancel_at_period_end:b collection_method:e(charge_automatically|send_invoice) currency:s "
     "customer!:s customer_account:s days_until_due:i default_payment_method:s default_source:s "
     "default_tax_rates~:[s] description:s discounts~:DISCOUNTS invoice_settings:INVOICE_SETTINGS items!:[NEW_ITEM] "
     "metadata:m off_session:b on_behalf_of~:s "
     "payment_behavior:e(allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete) "
     "payment_settings:PAYMENT_SETTINGS pending_invoice_item_interval~:EVERY "
     "proration_behavior:e(always_invoice|create_prorations|none) transfer_data:TRANSFER_PERCENT trial_end:s "
     "trial_from_plan:b trial_period_days:i trial_settings:TRIAL_SETTINGS"},
    {"GET /v1/subscriptions",
     "list automatic_tax:{enabled!:b} collection_method:e(charge_automatically|send_invoice) created:r "
     "current_period_end:r current_period_start:r customer:s customer_account:s plan:s price:s "
     "status:e(active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|unpaid) test_clock:s"},
    {"GET /v1/subscriptions/{id}", ""},
    {"POST /v1/subscriptions/{id}",
     "add_invoice_items:[INVOICE_ITEM] application_fee_percent~:n automatic_tax:AUTOMATIC_TAX billing_cycle_anchor:s "
     "billing_schedules~:[{applies_to:APPLIES_TO bill_until:BILL_UNTIL key:s}] billing_thresholds~:THRESHOLDS "
     "cancel_at~:s cancel_at_period_end:b cancellation_details:{comment~:s "
     "feedback~:e(customer_service|low_quality|missing_features|other|switched_service|too_complex|too_expensive|"
     "unused) feedback_option:s} "
     "collection_method:e(charge_automatically|send_invoice) days_until_due:i default_payment_method~:s "
     "default_source~:s default_tax_rates~:[s] description~:s discounts~:DISCOUNTS invoice_settings:INVOICE_SETTINGS "
     "items:[ITEM] metadata:m off_session:b on_behalf_of~:s "
     "pause_collection~:{behavior!:e(keep_as_draft|mark_uncollectible|void) resumes_at:t} "
     "payment_behavior:e(allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete) "
     "payment_settings:PAYMENT_SETTINGS pending_invoice_item_interval~:EVERY "
     "proration_behavior:e(always_invoice|create_prorations|none) proration_date:t transfer_data~:TRANSFER_PERCENT "
     "trial_end:s trial_from_plan:b trial_settings:TRIAL_SETTINGS"},
    {"DELETE /v1/subscriptions/{id}",
     "cancellation_details:{comment~:s feedback~:s feedback_option:s} invoice_now:b prorate:b"},
    {"POST /v1/subscriptions/{id}/pause",
     "bill_for:{outstanding_usage_through:{type!:e(none|now)} "
     "unused_time_from:{type!:e(item_current_period_start|none|now)}} invoicing_behavior:s type:s"},
    {"POST /v1/subscriptions/{id}/resume",
     "billing_cycle_anchor:e(now|unchanged) payment_behavior:s "
     "proration_behavior:e(always_invoice|create_prorations|none) proration_date:t"},

    {"GET /v1/subscription_items", "list subscription!:s"},
    {"GET /v1/subscription_items/{id}", ""},
    {"POST /v1/subscription_items",
     "subscription!:s billing_thresholds~:ITEM_THRESHOLDS current_trial:CURRENT_TRIAL discounts~:DISCOUNTS metadata:m "
     "payment_behavior:s plan:s price:s price_data:ITEM_PRICE_DATA "
     "proration_behavior:e(always_invoice|create_prorations|none) proration_date:t quantity:i tax_rates~:[s]"},
    {"POST /v1/subscription_items/{id}",
     "billing_thresholds~:ITEM_THRESHOLDS current_trial:CURRENT_TRIAL discounts~:DISCOUNTS metadata:m off_session:b "
     "payment_behavior:s plan:s price:s price_data:ITEM_PRICE_DATA "
     "proration_behavior:e(always_invoice|create_prorations|none) proration_date:t quantity:i tax_rates~:[s]"},
    {"DELETE /v1/subscription_items/{id}",
     "clear_usage:b payment_behavior:s proration_behavior:e(always_invoice|create_prorations|none) "
     "proration_date:t"},

    {"GET /v1/invoices",
     "list collection_method:e(charge_automatically|send_invoice) created:r customer:s "
     "customer_account:s due_date:r status:e(draft|open|paid|uncollectible|void) subscription:s"},
    {"GET /v1/invoices/{id}", ""},
    {"GET /v1/invoices/{id}/lines", "list"},
    {"POST /v1/invoices/{id}/pay", "forgive:b mandate~:s off_session:b paid_out_of_band:b payment_method:s source:s"},
    {"POST /v1/invoices/{id}/void", ""},
    {"GET /v1/invoice_payments",
     "list created:r invoice:s status:e(canceled|open|paid) "
     "payment:{type!:e(payment_intent|payment_record) payment_intent:s payment_record:s}"},
    {"GET /v1/invoice_payments/{id}", ""},

    {"GET /v1/payment_intents", "list created:r customer:s customer_account:s"},
    {"GET /v1/payment_intents/{id}", "client_secret:s"},
    {"GET /v1/charges", "list created:r customer:s payment_intent:s transfer_group:s"},
    {"GET /v1/charges/{id}", ""},
    {"POST /v1/refunds",
     "amount:i charge:s currency:s customer:s instructions_email:s metadata:m origin:s "
     "payment_intent:s reason:e(duplicate|fraudulent|requested_by_customer) "
     "refund_application_fee:b reverse_transfer:b"},
    {"GET /v1/refunds", "list charge:s created:r payment_intent:s"},
    {"GET /v1/refunds/{id}", ""},
    {"POST /v1/refunds/{id}", "metadata:m"},
    {"GET /v1/disputes", "list charge:s created:r payment_intent:s"},
    {"GET /v1/disputes/{id}", ""},
    {"POST /v1/disputes/{id}/close", ""},
    {"POST /v1/credit_notes",
     "invoice!:s amount:i credit_amount:i effective_at:t email_type:e(credit_note|none) lines:[x] memo:s metadata:m "
     "out_of_band_amount:i reason:e(duplicate|fraudulent|order_change|product_unsatisfactory) refund_amount:i "
     "refunds:[x] shipping_cost:{shipping_rate:s}"},
    {"GET /v1/credit_notes", "list created:r customer:s customer_account:s invoice:s"},
    {"GET /v1/credit_notes/{id}", ""},
    {"POST /v1/credit_notes/{id}", "memo:s metadata:m"},
    {"GET /v1/credit_notes/{id}/lines", "list"},
    {"POST /v1/credit_notes/{id}/void", ""},

    {"POST /v1/payment_methods",
     "type:s card:{token:s exp_month:i exp_year:i number:s cvc:s networks:{preferred~:s}} "
     "billing_details:{address~:ADDRESS email~:s name~:s phone~:s tax_id:s} metadata:m "
     "allow_redisplay:e(always|limited|unspecified) customer:s payment_method:s"},
    {"GET /v1/payment_methods",
     "list allow_redisplay:e(always|limited|unspecified) customer:s customer_account:s type:s"},
    {"GET /v1/payment_methods/{id}", ""},
    {"POST /v1/payment_methods/{id}",
     "allow_redisplay:e(always|limited|unspecified) billing_details:{address~:ADDRESS email~:s name~:s phone~:s "
     "tax_id:s} card:{exp_month:i exp_year:i networks:{preferred~:s}} metadata:m"},
    {"POST /v1/payment_methods/{id}/attach", "customer:s customer_account:s"},
    {"POST /v1/payment_methods/{id}/detach", ""},

    {"GET /v1/events", "list created:r delivery_success:b type:s types:[s]"},
    {"GET /v1/events/{id}", ""},

    {"POST /v1/webhook_endpoints", "url!:s enabled_events!:[s] api_version:s connect:b description~:s metadata:m"},
    {"GET /v1/webhook_endpoints", "list"},
    {"GET /v1/webhook_endpoints/{id}", ""},
    {"POST /v1/webhook_endpoints/{id}", "description~:s disabled:b enabled_events:[s] metadata:m url:s"},
    {"DELETE /v1/webhook_endpoints/{id}", ""},

    {"POST /v1/billing_portal/sessions",
     "after_expiration:{type!:e(customer_login) customer_login:{expires_at:t}} configuration:s customer:s "
     "customer_account:s "
     "flow_data:{type!:e(payment_method_update|subscription_cancel|subscription_pause|subscription_update|subscription_"
     "update_confirm) "
     "after_completion:{type!:e(hosted_confirmation|portal_homepage|redirect) hosted_confirmation:{custom_message:s} "
     "redirect:{return_url!:s}} subscription_cancel:{subscription!:s retention:{coupon_offer!:{coupon!:s} "
     "type!:e(coupon_offer)}} subscription_pause:{subscription!:s} subscription_update:{subscription!:s} "
     "subscription_update_confirm:{subscription!:s discounts:NEW_DISCOUNTS items!:[{id!:s price:s quantity:i}]}} "
     "locale:s on_behalf_of:s return_url:s"},

    {"POST /v1/payment_links",
     "line_items!:[{price:s price_data:PRICE_DATA quantity!:i adjustable_quantity:ADJUSTABLE}] "
     "after_completion:AFTER_COMPLETION allow_promotion_codes:b application_fee_amount:i application_fee_percent:n "
     "automatic_tax:AUTOMATIC_TAX billing_address_collection:e(auto|required) consent_collection:CONSENT currency:s "
     "custom_fields:CUSTOM_FIELDS custom_text:CUSTOM_TEXT customer_creation:e(always|if_required) inactive_message:s "
     "invoice_creation:INVOICE_CREATION managed_payments:{enabled:b} metadata:m name_collection:NAME_COLLECTION "
     "on_behalf_of:s optional_items:OPTIONAL_ITEMS "
     "payment_intent_data:{capture_method:e(automatic|automatic_async|manual) description:s metadata:m "
     "setup_future_usage:e(off_session|on_session) statement_descriptor:s statement_descriptor_suffix:s "
     "transfer_group:s} payment_method_collection:e(always|if_required) "
     "payment_method_options:{card:{restrictions:{brands_blocked:[e(american_express|discover_global_network|"
     "mastercard|visa)]}}} "
     "payment_method_types:[s] phone_number_collection:{enabled!:b} restrictions:{completed_sessions!:{limit!:i}} "
     "shipping_address_collection:SHIPPING_COUNTRIES shipping_options:[{shipping_rate:s}] "
     "submit_type:e(auto|book|donate|pay|subscribe) subscription_data:{description:s "
     "invoice_settings:INVOICE_SETTINGS metadata:m trial_period_days:i trial_settings:TRIAL_SETTINGS} "
     "tax_id_collection:TAX_ID_COLLECTION transfer_data:TRANSFER"},
    {"GET /v1/payment_links", "list active:b"},
    {"GET /v1/payment_links/{id}", ""},
    {"GET /v1/payment_links/{id}/line_items", "list"},
    {"POST /v1/payment_links/{id}",
     "active:b after_completion:AFTER_COMPLETION allow_promotion_codes:b application_fee_amount~:i "
     "application_fee_percent~:n automatic_tax:AUTOMATIC_TAX billing_address_collection:s consent_collection:CONSENT "
     "custom_fields~:CUSTOM_FIELDS custom_text:CUSTOM_TEXT customer_creation:e(always|if_required) "
     "inactive_message~:s invoice_creation:INVOICE_CREATION line_items:[{id!:s adjustable_quantity:ADJUSTABLE "
     "quantity:i}] metadata:m name_collection~:NAME_COLLECTION on_behalf_of:s optional_items~:OPTIONAL_ITEMS "
     "payment_intent_data:{description~:s metadata:m setup_future_usage~:e(off_session|on_session) "
     "statement_descriptor~:s statement_descriptor_suffix~:s transfer_group~:s} payment_method_collection:s "
     "payment_method_options~:{card~:{restrictions~:{brands_blocked~:[e(american_express|discover_global_network|"
     "mastercard|visa)]}}} "
     "payment_method_types~:[s] phone_number_collection:{enabled!:b} restrictions~:{completed_sessions!:{limit!:i}} "
     "shipping_address_collection~:SHIPPING_COUNTRIES shipping_options~:[{shipping_rate:s}] submit_type:s "
     "subscription_data:{invoice_settings:INVOICE_SETTINGS metadata:m trial_period_days~:i "
     "trial_settings~:TRIAL_SETTINGS} tax_id_collection:TAX_ID_COLLECTION transfer_data~:{amount~:i destination!:s}"},
};

bool IsPartLetter(char c) { return (c >= 'A' && c <= 'Z') || c == '_'; }

std::string_view PartNamed(std::string_view name) {
  for (const Part& part : kParts) {
    if (part.name == name) return part.spec;
  }
  throw std::logic_error("no part " + std::string(name));
}

// `spec` with the parts that it names, and those that they name, written out.
std::string Expand(std::string_view spec) {
  std::string out;
  for (size_t at = 0; at < spec.size();) {
    size_t end = at;
    // A part's name begins with a capital; parameters are in small letters.
    if (spec[at] >= 'A' && spec[at] <= 'Z') {
      while (end < spec.size() && IsPartLetter(spec[end])) ++end;
    }
    if (end == at) {
      out += spec[at++];
      continue;
    }
    out += Expand(PartNamed(spec.substr(at, end - at)));
    at = end;
  }
  return out;
}

std::map<std::string, ParamSpec, std::less<>> BuildTable() {
  std::map<std::string, ParamSpec, std::less<>> table;
  for (const Row& row : kRows) {
    table.emplace(row.operation, ParseSpec(Expand(row.spec)));
  }
  return table;
}

}  // namespace

const ParamSpec* SpecOf(std::string_view operation) {
  static const auto* const kTable = new std::map<std::string, ParamSpec, std::less<>>(BuildTable());
  auto it = kTable->find(operation);
  return it == kTable->end() ? nullptr : &it->second;
}

}  // namespace stripesim
