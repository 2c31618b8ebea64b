// What is wrong with the text of a PEM file of certificates or of a private key, as configuration checks ask it
// (CFG-2). Pure and thread safe. A fault is said in words that hold nothing of the text; empty: there is none.
#pragma once

#include <string>
#include <string_view>

namespace billmesh::crypto {

// A chain, the own certificate first. All certificates in it must be well formed, and there must be one.
std::string ChainFault(std::string_view pem);

// Trust anchors: as a chain, and at least one certificate may sign others.
std::string AnchorsFault(std::string_view pem);

// A private key without a passphrase that belongs to the chain's first certificate. Where the chain itself has a fault,
// only the key is looked at.
std::string PrivateKeyFault(std::string_view key_pem, std::string_view chain_pem);

}  // namespace billmesh::crypto
