// The webhook daemon, as the reconciler calls it: the one place where the provider's objects become projections
// (REC-3).
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"

namespace billmesh::reconciler {

// An object as the provider answered it.
struct FetchedObject {
  std::string provider;
  std::string kind;  // common/provider/object_format.h
  std::string object_json;
  absl::Time provider_date;  // of the answer (WHK-5)
};

struct Projected {
  bool taken = false;   // it is what is stored, or what is stored is newer
  std::string outcome;  // a word for people
};

class ProjectionPeer {
 public:
  virtual ~ProjectionPeer() = default;
  // An error when the call didn't come through. Blocks, at most for the timeout; thread safe.
  virtual absl::StatusOr<Projected> Project(const FetchedObject& object, absl::Duration timeout) = 0;
};

class GrpcProjectionPeer final : public ProjectionPeer {
 public:
  explicit GrpcProjectionPeer(std::shared_ptr<grpc::Channel> channel);
  ~GrpcProjectionPeer() override;
  absl::StatusOr<Projected> Project(const FetchedObject& object, absl::Duration timeout) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace billmesh::reconciler
