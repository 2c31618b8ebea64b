// Parameters and results of SQL statements. Values travel in PostgreSQL's text form, or in its binary form where
// that is cheaper.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

struct pg_result;

namespace billmesh::db {

// One statement parameter ($1, $2, …). Converts implicitly from what stores hold, so that a call reads
// tx.Exec(sql, {id, amount_minor, expires_at}). An empty optional is NULL.
class Param {
 public:
  Param(std::nullopt_t) {}                                      // NOLINT
  Param(std::string_view text) : value_(std::string(text)) {}   // NOLINT
  Param(const std::string& text) : value_(text) {}              // NOLINT
  Param(std::string&& text) : value_(std::move(text)) {}        // NOLINT
  Param(const char* text) : value_(std::string(text)) {}        // NOLINT
  Param(bool b) : value_(std::string(b ? "true" : "false")) {}  // NOLINT
  Param(int i) : value_(std::to_string(i)) {}                   // NOLINT
  Param(int64_t i) : value_(std::to_string(i)) {}               // NOLINT
  Param(absl::Time t);                                          // NOLINT; microseconds, UTC
  template <typename T>
  Param(const std::optional<T>& v) {  // NOLINT
    if (v.has_value()) *this = Param(*v);
  }
  // A bytea value, sent in binary.
  static Param Bytes(std::string_view bytes);
  // A duration as an interval.
  static Param Interval(absl::Duration d);
  // Arrays for unnest($1::bigint[]) and friends. Empty optional = NULL. In text, whatever whole number their elements
  // are.
  static Param IntArray(const std::vector<int64_t>& values);
  static Param IntArray(const std::vector<std::optional<int64_t>>& values);
  // In binary, for parameters of just these types: text[], uuid[], boolean[], timestamptz[] (microseconds), bytea[].
  static Param TextArray(const std::vector<std::string>& values);
  static Param TextArray(const std::vector<std::optional<std::string>>& values);
  // What isn't a UUID is left to the server to refuse.
  static Param UuidArray(const std::vector<std::string>& values);
  static Param UuidArray(const std::vector<std::optional<std::string>>& values);
  static Param BoolArray(const std::vector<bool>& values);
  static Param TimeArray(const std::vector<std::optional<absl::Time>>& values);
  static Param BytesArray(const std::vector<std::string_view>& values);

  const std::optional<std::string>& value() const { return value_; }
  bool binary() const { return binary_; }

 private:
  template <typename Values>
  static Param Texts(const Values& values);
  template <typename Values>
  static Param Uuids(const Values& values);
  static Param BinaryArray(uint32_t element_type, size_t count, size_t bytes,
                           const std::function<void(std::string& out, size_t i)>& append);

  std::optional<std::string> value_;
  bool binary_ = false;
};

// How the columns of a result travel; the codes are the protocol's. Binary spares both sides the writing and reading of
// times and UUIDs. Row's getters are for columns of just their type then: Text for text and uuid, View for text, Int
// for smallint to bigint, Bool, Time for timestamptz, Bytes for bytea; any other reading aborts.
enum class Format { kText = 0, kBinary = 1 };

// One row of a Result; valid while the Result lives. Columns are numbered from 0 in the order of the SELECT list.
// Reading a NULL through a plain getter, or a value of another type, is a programming error and aborts: statements and
// readers stand beside each other in a store.
class Row {
 public:
  Row(const pg_result* result, int row) : result_(result), row_(row) {}
  bool IsNull(int column) const;
  std::string_view View(int column) const;  // not of a uuid in binary
  std::string Text(int column) const;
  int64_t Int(int column) const;
  bool Bool(int column) const;
  absl::Time Time(int column) const;
  std::string Bytes(int column) const;
  std::optional<std::string> OptText(int column) const;
  std::optional<int64_t> OptInt(int column) const;
  std::optional<absl::Time> OptTime(int column) const;

 private:
  std::string_view Raw(int column) const;
  std::optional<uint32_t> BinaryType(int column) const;

  const pg_result* result_;
  int row_;
};

// Rows of one statement. Movable, owns its memory.
class Result {
 public:
  explicit Result(pg_result* owned);
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Row operator[](int row) const { return Row(result_.get(), row); }
  // Rows inserted, updated or deleted.
  int64_t affected() const { return affected_; }

 private:
  std::shared_ptr<pg_result> result_;
  int size_;
  int64_t affected_;
};

// Parses PostgreSQL's ISO text of a timestamptz ("2026-11-20 10:00:00.25+00"); nullopt if it isn't one.
std::optional<absl::Time> ParseTimestamp(std::string_view text);

}  // namespace billmesh::db
