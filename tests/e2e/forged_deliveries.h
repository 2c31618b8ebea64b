// What forgers and broken networks send to the webhook route, and the oddities that it must take all the same, as bytes
// of the wire: a client would refuse to send most of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace billmesh::testing {

// What a sender knows, and its time in Unix seconds.
struct Sender {
  std::string secret, thin_secret;
  int64_t now = 0;
};

struct RawDelivery {
  std::string name;
  std::string bytes;        // the whole request, or the beginning of one that never ends
  int status = 0;           // of the answer
  std::string code;         // of the answer's problem; empty: accepted
  std::string cause;        // that the refusal of its signature is counted by; empty: it isn't refused for that
  std::string answer = {};  // beside the problem, what the answer must hold; empty: nothing
  bool hangs_up = false;    // the sender ends its side after the bytes
};

// A whole event of a type that nothing is known of, as JSON.
std::string UnknownEvent(const std::string& id, int64_t created);
// The same, of exactly this many bytes.
std::string UnknownEventOfSize(const std::string& id, int64_t created, size_t bytes);
// A delivery as the provider sends it.
std::string SignedRequest(const std::string& body, const std::string& secret, int64_t signed_at);

// Refused, each in one answer. By what is wrong: the signature, the payload, the request itself.
std::vector<RawDelivery> ForgedSignatures(const Sender& sender);
std::vector<RawDelivery> BrokenPayloads(const Sender& sender);
std::vector<RawDelivery> BrokenRequests(const Sender& sender);
// Refused once their time is over: requests that never end.
std::vector<RawDelivery> EndlessRequests(const Sender& sender);
// Taken, because the provider's own client takes them or because HTTP says so. The events are evt_odd_<n>.
std::vector<RawDelivery> AcceptedOddities(const Sender& sender);

}  // namespace billmesh::testing
