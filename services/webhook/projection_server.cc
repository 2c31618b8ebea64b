#include "services/webhook/projection_server.h"

#include "absl/strings/str_cat.h"
#include "common/status/status.h"
#include "common/status/strings.h"

namespace billmesh::webhook {
namespace {

namespace pb = ::billing::webhook::v1;

constexpr char kProject[] = "/billing.webhook.v1.ProjectionService/Project";
// What a Timestamp may hold: the years 1 to 9999. Providers date nothing before 1970.
constexpr int64_t kMaxUnixSeconds = 253'402'300'799;

absl::Status InvalidRequest(std::string_view field, std::string_view why) {
  return Fail(Reason::FAILURE_REASON_INVALID_ARGUMENT, absl::StrCat(AbslView(field), ": ", AbslView(why)),
              {{"field", std::string(field)}});
}

pb::ProjectionOutcome ToProto(ProjectionOutcome outcome) {
  switch (outcome) {
    case ProjectionOutcome::kChanged:
      return pb::PROJECTION_OUTCOME_CHANGED;
    case ProjectionOutcome::kUnchanged:
      return pb::PROJECTION_OUTCOME_UNCHANGED;
    case ProjectionOutcome::kUnbound:
      return pb::PROJECTION_OUTCOME_UNBOUND;
    case ProjectionOutcome::kContradicted:
      return pb::PROJECTION_OUTCOME_CONTRADICTED;
    case ProjectionOutcome::kRefused:
      return pb::PROJECTION_OUTCOME_REFUSED;
  }
  return pb::PROJECTION_OUTCOME_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<std::vector<FetchedObject>> ReadProjectRequest(const pb::ProjectRequest& request,
                                                              std::string_view provider) {
  if (request.provider() != provider) return InvalidRequest("provider", "not one that this deployment knows");
  if (request.objects().empty()) return InvalidRequest("objects", "empty");
  if (request.objects_size() > kMaxFetchedObjects) {
    return InvalidRequest("objects", absl::StrCat("more than ", kMaxFetchedObjects));
  }
  std::vector<FetchedObject> objects;
  for (const pb::FetchedObject& object : request.objects()) {
    const std::string field = absl::StrCat("objects[", objects.size(), "]");
    if (!OwnerOfKind(object.kind()).has_value()) {
      return InvalidRequest(field + ".kind", "not one that is projected");
    }
    const int64_t seconds = object.provider_date().seconds();
    if (seconds <= 0 || seconds > kMaxUnixSeconds)
      return InvalidRequest(field + ".provider_date", "missing or out of range");
    objects.push_back({object.kind(), object.object_json(), absl::FromUnixSeconds(seconds)});
  }
  return objects;
}

grpc::ServerUnaryReactor* ProjectionServer::Project(grpc::CallbackServerContext* context,
                                                    const pb::ProjectRequest* request, pb::ProjectResponse* response) {
  return rpc::Blocking(
      deps_.calls, context, kProject, [this, request, response](const rpc::CallContext& call) -> absl::Status {
        ASSIGN_OR_RETURN(const auto objects, ReadProjectRequest(*request, deps_.provider));
        ASSIGN_OR_RETURN(const auto projected, deps_.service.Project(objects, call.caller.certificate_name));
        for (const ProjectedObject& object : projected) {
          pb::ProjectedObject& to = *response->add_results();
          to.set_outcome(ToProto(object.outcome));
          to.set_reason(object.reason);
          to.set_entity_id(object.entity_id);
          to.set_revision(object.revision);
        }
        return absl::OkStatus();
      });
}

}  // namespace billmesh::webhook
