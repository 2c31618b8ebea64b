// The gRPC face of WebhookService: checks the delivery on gRPC's thread, which takes microseconds, and joins the
// forming batch. No SQL.
#pragma once

#include "billing/webhook/v1/webhook.grpc.pb.h"
#include "common/provider/event_source.h"
#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "common/time/clock.h"
#include "services/webhook/ingest_batcher.h"

namespace billmesh::webhook {

// WHK-1: the edge bounds the body too; this daemon believes nobody.
inline constexpr size_t kMaxBodyBytes = 256 << 10;
// Of a call.
inline constexpr int kMaxDeliveries = 256;

class WebhookServer final : public billing::webhook::v1::WebhookService::CallbackService {
 public:
  struct Deps {
    rpc::CallHost& calls;
    Clock& clock;
    const provider::EventSource& source;
    IngestBatcher& batcher;
  };
  explicit WebhookServer(const Deps& deps) : deps_(deps) {}

  grpc::ServerUnaryReactor* IngestBatch(grpc::CallbackServerContext* context,
                                        const billing::webhook::v1::IngestBatchRequest* request,
                                        billing::webhook::v1::IngestBatchResponse* response) override;

  struct Checked {
    provider::Event event;  // as the payload says
    std::string payload;    // the body with card numbers masked
  };
  // What comes before the batch, in this order: size, signature, form. Nothing is stored when it fails. For the server
  // itself and for tests.
  absl::StatusOr<Checked> Check(const billing::webhook::v1::Delivery& request);

 private:
  void SubmitAll(const billing::webhook::v1::IngestBatchRequest& request,
                 billing::webhook::v1::IngestBatchResponse& response, const rpc::CallContext& call,
                 const rpc::Done& done);

  const Deps deps_;
};

}  // namespace billmesh::webhook
