#include <map>
#include <utility>

#include "tests/stripesim/params.h"

// The parameters of every endpoint, in the language of params.h. What the simulator models is
// typed to the leaf; what Stripe takes and the simulator has no behaviour for is typed `x`.

namespace stripesim {
namespace {

struct Row {
  const char* operation;
  const char* spec;
};

constexpr char kPriceData[] =
    "{currency!:s product:s product_data:{name!:s description:s images:[s] metadata:m tax_code:s "
    "tax_details:x unit_label:s} recurring:{interval!:e(day|week|month|year) interval_count:i} "
    "tax_behavior:e(exclusive|inclusive|unspecified) unit_amount:i unit_amount_decimal:n}";

constexpr char kInvoiceCreation[] =
    "{enabled!:b invoice_data:{account_tax_ids~:x custom_fields~:x description:s footer:s issuer:x "
    "metadata:m rendering_options~:x}}";

constexpr char kAddress[] = "{city~:s country~:s line1~:s line2~:s postal_code~:s state~:s}";

constexpr char kItem[] =
    "{id:s deleted:b clear_usage:b price:s price_data:PRICE_DATA plan:s quantity:i metadata~:m "
    "tax_rates~:x discounts~:x billing_thresholds~:x current_trial:x}";

const Row kRows[] = {
    {"GET /v1/account", ""},

    {"POST /v1/customers",
     "address~:ADDRESS balance:i business_name~:s cash_balance:x description~:s email~:s "
     "individual_name~:s invoice_prefix:s "
     "invoice_settings:{custom_fields~:x default_payment_method:s footer:s rendering_options~:x} "
     "metadata:m name~:s next_invoice_sequence:i payment_method:s phone~:s preferred_locales:[s] "
     "shipping~:x source:s tax:x tax_exempt~:e(exempt|none|reverse) tax_id_data:x test_clock:s "
     "validate:b"},
    {"GET /v1/customers", "list email:s created:r test_clock:s"},
    {"GET /v1/customers/{id}", ""},
    {"POST /v1/customers/{id}",
     "address~:ADDRESS balance:i business_name~:s cash_balance:x default_source:s description~:s "
     "email~:s individual_name~:s invoice_prefix:s "
     "invoice_settings:{custom_fields~:x default_payment_method~:s footer~:s rendering_options~:x} "
     "metadata:m name~:s next_invoice_sequence:i phone~:s preferred_locales:[s] shipping~:x "
     "source:s tax:x tax_exempt~:e(exempt|none|reverse) validate:b"},
    {"DELETE /v1/customers/{id}", ""},
    {"GET /v1/customers/{id}/payment_methods", "list allow_redisplay:e(always|limited|unspecified) type:s"},
    {"GET /v1/customers/{customerId}/payment_methods/{id}", ""},

    {"POST /v1/products",
     "name!:s active:b default_price_data:PRICE_DATA description:s id:s images:[s] "
     "marketing_features:[{name!:s}] metadata:m package_dimensions:x shippable:b "
     "statement_descriptor:s tax_code:s tax_details:x type:e(good|service) unit_label:s url:s"},
    {"GET /v1/products", "list active:b created:r ids:[s] shippable:b type:s url:s"},
    {"GET /v1/products/{id}", ""},
    {"POST /v1/products/{id}",
     "active:b default_price:s description~:s images~:[s] marketing_features~:[{name!:s}] "
     "metadata:m name:s package_dimensions~:x shippable:b statement_descriptor:s tax_code~:s "
     "tax_details~:x unit_label~:s url~:s"},
    {"DELETE /v1/products/{id}", ""},

    {"POST /v1/prices",
     "currency!:s active:b billing_scheme:e(per_unit|tiered) currency_options:x "
     "custom_unit_amount:x lookup_key:s metadata:m nickname:s product:s "
     "product_data:{name!:s active:b id:s metadata:m statement_descriptor:s tax_code:s "
     "tax_details:x unit_label:s} recurring:{interval!:e(day|month|week|year) interval_count:i "
     "meter:s trial_period_days:i usage_type:e(licensed|metered)} "
     "tax_behavior:e(exclusive|inclusive|unspecified) tiers:x tiers_mode:e(graduated|volume) "
     "transfer_lookup_key:b transform_quantity:x unit_amount:i unit_amount_decimal:n"},
    {"GET /v1/prices",
     "list active:b created:r currency:s lookup_keys:[s] product:s recurring:x "
     "type:e(one_time|recurring)"},
    {"GET /v1/prices/{id}", ""},
    {"POST /v1/prices/{id}",
     "active:b currency_options~:x lookup_key:s metadata:m nickname~:s "
     "tax_behavior:e(exclusive|inclusive|unspecified) transfer_lookup_key:b"},

    {"POST /v1/checkout/sessions",
     "adaptive_pricing:x after_expiration:x allow_promotion_codes:b allowed_payment_method_types:[s]"
     " automatic_tax:{enabled!:b liability:x} billing_address_collection:e(auto|required) "
     "branding_settings:x cancel_url:s client_reference_id:s consent_collection:x currency:s "
     "custom_fields:x custom_text:x customer:s customer_account:s "
     "customer_creation:e(always|if_required) customer_email:s "
     "customer_update:{address:e(auto|never) name:e(auto|never) shipping:e(auto|never)} discounts:x "
     "excluded_payment_method_types:[s] expires_at:t integration_identifier:s "
     "invoice_creation:INVOICE_CREATION "
     "line_items:[{adjustable_quantity:{enabled!:b maximum:i minimum:i} metadata:m price:s "
     "price_data:PRICE_DATA quantity:i tax_rates:[s]}] locale:s managed_payments:{enabled:b} "
     "metadata:m mode!:e(payment|setup|subscription) name_collection:x optional_items:x "
     "origin_context:e(mobile_app|web) "
     "payment_intent_data:{application_fee_amount:i capture_method:s description:s metadata:m "
     "on_behalf_of:s receipt_email:s setup_future_usage:e(off_session|on_session) shipping:x "
     "statement_descriptor:s statement_descriptor_suffix:s transfer_data:x transfer_group:s} "
     "payment_method_collection:e(always|if_required) payment_method_configuration:s "
     "payment_method_data:x payment_method_options:x payment_method_types<2026-09-30:[s] "
     "permissions:x phone_number_collection:{enabled!:b} "
     "redirect_on_completion:e(always|if_required|never) return_url:s "
     "saved_payment_method_options:x setup_intent_data:x shipping_address_collection:x "
     "shipping_options:x submit_type:e(auto|book|donate|pay|subscribe) "
     "subscription_data:{application_fee_percent:n billing_cycle_anchor:t "
     "billing_cycle_anchor_config:x billing_mode:{type!:e(classic|flexible) flexible:x} "
     "default_tax_rates:[s] description:s invoice_settings:x metadata:m on_behalf_of:s "
     "pending_invoice_item_interval:x proration_behavior:e(create_prorations|none) transfer_data:x "
     "trial_end:t trial_period_days:i trial_settings:{end_behavior!:{missing_payment_method!:"
     "e(cancel|create_invoice|pause)}}} "
     "success_url:s tax_id_collection:x ui_mode:s wallet_options:x"},
    {"GET /v1/checkout/sessions",
     "list created:r customer:s customer_account:s customer_details:{email!:s} payment_intent:s "
     "payment_link:s status:e(complete|expired|open) subscription:s"},
    {"GET /v1/checkout/sessions/{id}", ""},
    {"POST /v1/checkout/sessions/{id}",
     "collected_information:x line_items:x metadata:m payment_intent_data:x shipping_options~:x"},
    {"POST /v1/checkout/sessions/{id}/expire", ""},
    {"GET /v1/checkout/sessions/{id}/line_items", "list"},

    {"POST /v1/subscriptions",
     "add_invoice_items:x application_fee_percent~:n automatic_tax:x backdate_start_date:t "
     "billing_cycle_anchor:t billing_cycle_anchor_config:x "
     "billing_mode:{type!:e(classic|flexible) flexible:x} billing_schedules:x billing_thresholds~:x "
     "cancel_at:s cancel_at_period_end:b collection_method:e(charge_automatically|send_invoice) "
     "currency:s customer!:s customer_account:s days_until_due:i default_payment_method:s "
     "default_source:s default_tax_rates~:[s] description:s discounts~:x invoice_settings:x "
     "items!:[ITEM] metadata:m off_session:b on_behalf_of~:s "
     "payment_behavior:e(allow_incomplete|default_incomplete|error_if_incomplete|pending_if_"
     "incomplete) payment_settings:x pending_invoice_item_interval~:x "
     "proration_behavior:e(always_invoice|create_prorations|none) transfer_data:x trial_end:s "
     "trial_from_plan:b trial_period_days:i trial_settings:{end_behavior!:{missing_payment_method!:"
     "e(cancel|create_invoice|pause)}}"},
    {"GET /v1/subscriptions",
     "list automatic_tax:x collection_method:e(charge_automatically|send_invoice) created:r "
     "current_period_end:r current_period_start:r customer:s customer_account:s plan:s price:s "
     "status:e(active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|"
     "unpaid) test_clock:s"},
    {"GET /v1/subscriptions/{id}", ""},
    {"POST /v1/subscriptions/{id}",
     "add_invoice_items:x application_fee_percent~:n automatic_tax:x billing_cycle_anchor:s "
     "billing_schedules~:x billing_thresholds~:x cancel_at~:s cancel_at_period_end:b "
     "cancellation_details:{comment~:s feedback~:e(customer_service|low_quality|missing_features|"
     "other|switched_service|too_complex|too_expensive|unused)} "
     "collection_method:e(charge_automatically|send_invoice) days_until_due:i "
     "default_payment_method~:s default_source~:s default_tax_rates~:[s] description~:s discounts~:x"
     " invoice_settings:x items:[ITEM] metadata:m off_session:b on_behalf_of~:s "
     "pause_collection~:{behavior!:e(keep_as_draft|mark_uncollectible|void) resumes_at:t} "
     "payment_behavior:e(allow_incomplete|default_incomplete|error_if_incomplete|pending_if_"
     "incomplete) payment_settings:x pending_invoice_item_interval~:x "
     "proration_behavior:e(always_invoice|create_prorations|none) proration_date:t transfer_data~:x "
     "trial_end:s trial_from_plan:b trial_settings:{end_behavior!:{missing_payment_method!:"
     "e(cancel|create_invoice|pause)}}"},
    {"DELETE /v1/subscriptions/{id}", "cancellation_details:{comment~:s feedback~:s} invoice_now:b prorate:b"},
    {"POST /v1/subscriptions/{id}/pause", "bill_for:x invoicing_behavior:s type:s"},
    {"POST /v1/subscriptions/{id}/resume",
     "billing_cycle_anchor:e(now|unchanged) payment_behavior:s "
     "proration_behavior:e(always_invoice|create_prorations|none) proration_date:t"},

    {"GET /v1/subscription_items", "list subscription!:s"},
    {"GET /v1/subscription_items/{id}", ""},
    {"POST /v1/subscription_items",
     "subscription!:s billing_thresholds~:x current_trial:x discounts~:x metadata:m "
     "payment_behavior:s plan:s price:s price_data:PRICE_DATA "
     "proration_behavior:e(always_invoice|create_prorations|none) proration_date:t quantity:i "
     "tax_rates~:[s]"},
    {"POST /v1/subscription_items/{id}",
     "billing_thresholds~:x current_trial:x discounts~:x metadata:m off_session:b payment_behavior:s"
     " plan:s price:s price_data:PRICE_DATA "
     "proration_behavior:e(always_invoice|create_prorations|none) proration_date:t quantity:i "
     "tax_rates~:[s]"},
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

    {"POST /v1/payment_methods",
     "type:s card:{token:s exp_month:i exp_year:i number:s cvc:s networks:x} "
     "billing_details:{address~:ADDRESS email~:s name~:s phone~:s tax_id:s} metadata:m "
     "allow_redisplay:e(always|limited|unspecified) customer:s payment_method:s"},
    {"GET /v1/payment_methods",
     "list allow_redisplay:e(always|limited|unspecified) customer:s customer_account:s type:s"},
    {"GET /v1/payment_methods/{id}", ""},
    {"POST /v1/payment_methods/{id}",
     "allow_redisplay:e(always|limited|unspecified) "
     "billing_details:{address~:ADDRESS email~:s name~:s phone~:s tax_id:s} "
     "card:{exp_month:i exp_year:i networks:x} metadata:m"},
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
     "after_expiration:x configuration:s customer:s customer_account:s "
     "flow_data:{type!:e(payment_method_update|subscription_cancel|subscription_pause|"
     "subscription_update|subscription_update_confirm) after_completion:x subscription_cancel:x "
     "subscription_pause:x subscription_update:x subscription_update_confirm:x} locale:s "
     "on_behalf_of:s return_url:s"},

    {"POST /v1/payment_links",
     "line_items!:[{price:s price_data:PRICE_DATA quantity!:i "
     "adjustable_quantity:{enabled!:b maximum:i minimum:i}}] "
     "after_completion:{type!:e(hosted_confirmation|redirect) hosted_confirmation:x "
     "redirect:{url!:s}} allow_promotion_codes:b application_fee_amount:i application_fee_percent:n "
     "automatic_tax:x billing_address_collection:e(auto|required) consent_collection:x currency:s "
     "custom_fields:x custom_text:x customer_creation:e(always|if_required) inactive_message:s "
     "invoice_creation:INVOICE_CREATION managed_payments:x metadata:m name_collection:x "
     "on_behalf_of:s optional_items:x payment_intent_data:x "
     "payment_method_collection:e(always|if_required) payment_method_options:x "
     "payment_method_types:[s] phone_number_collection:x "
     "restrictions:{completed_sessions!:{limit!:i}} shipping_address_collection:x shipping_options:x"
     " submit_type:e(auto|book|donate|pay|subscribe) "
     "subscription_data:{description:s invoice_settings:x metadata:m trial_period_days:i "
     "trial_settings:x} tax_id_collection:x transfer_data:x"},
    {"GET /v1/payment_links", "list active:b"},
    {"GET /v1/payment_links/{id}", ""},
    {"GET /v1/payment_links/{id}/line_items", "list"},
    {"POST /v1/payment_links/{id}",
     "active:b after_completion:x allow_promotion_codes:b application_fee_amount:i "
     "application_fee_percent:n automatic_tax:x billing_address_collection:s consent_collection:x "
     "custom_fields~:x custom_text:x customer_creation:e(always|if_required) inactive_message~:s "
     "invoice_creation:x line_items:x metadata:m name_collection~:x on_behalf_of:s optional_items~:x"
     " payment_intent_data:x payment_method_collection:s payment_method_options:x "
     "payment_method_types~:[s] phone_number_collection:x restrictions~:x "
     "shipping_address_collection~:x shipping_options~:x submit_type:s subscription_data:x "
     "tax_id_collection:x transfer_data~:x"},
};

void ReplaceAll(std::string* text, std::string_view word, std::string_view by) {
  for (size_t at = text->find(word); at != std::string::npos; at = text->find(word, at)) {
    text->replace(at, word.size(), by);
  }
}

std::map<std::string, ParamSpec, std::less<>> BuildTable() {
  std::map<std::string, ParamSpec, std::less<>> table;
  for (const Row& row : kRows) {
    std::string text = row.spec;
    ReplaceAll(&text, "ITEM", kItem);
    ReplaceAll(&text, "PRICE_DATA", kPriceData);
    ReplaceAll(&text, "INVOICE_CREATION", kInvoiceCreation);
    ReplaceAll(&text, "ADDRESS", kAddress);
    table.emplace(row.operation, ParseSpec(text));
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
