#include "services/webhook/customer_rows.h"

#include "services/webhook/row_digest.h"

namespace billmesh::webhook {

std::string DigestOf(const CustomerRow& row) {
  Digest digest;
  digest.Add(row.entity_id).Add(row.provider_customer_id).Add(row.default_payment_method_id).Add(row.deleted_at);
  return digest.Hex();
}

std::string DigestOf(const PaymentMethodRow& row) {
  Digest digest;
  digest.Add(row.entity_id).Add(row.provider_payment_method_id).Add(row.provider_customer_id).Add(row.type);
  digest.Add(row.brand).Add(row.last4).Add(row.exp_month).Add(row.exp_year).Add(row.wallet);
  digest.Add(row.provider_created_at).Add(row.detached_at);
  return digest.Hex();
}

}  // namespace billmesh::webhook
