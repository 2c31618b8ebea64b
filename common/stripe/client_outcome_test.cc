#include "common/stripe/client_outcome.h"

#include <set>
#include <string>
#include <tuple>

#include "gtest/gtest.h"

namespace billmesh::stripe {
namespace {

using http::TransportFailure;
using provider::Outcome;

constexpr ErrorType kTypes[] = {ErrorType::kNone,
                                ErrorType::kApiError,
                                ErrorType::kCardError,
                                ErrorType::kIdempotencyError,
                                ErrorType::kInvalidRequestError,
                                ErrorType::kOther};

// What IDM-8 says, in its own words: the oracle that the tables are held against.
bool ProvesThatNothingWasMade(int status, ErrorType type) {
  const bool about_the_request = type == ErrorType::kCardError || type == ErrorType::kInvalidRequestError;
  const std::set<int> never = {401, 403, 409, 429, 408, 424, 425};
  const std::set<int> known = {400, 402, 404, 405, 406, 410, 411, 413, 414, 415, 422};
  return about_the_request && known.contains(status) && !never.contains(status);
}

TEST(ClassifyAnswerTest, EveryStatusWithEveryErrorTypeFirstAndAfterAnUnknownSending) {
  for (int status = 100; status < 600; ++status) {
    for (const ErrorType type : kTypes) {
      for (const bool readable : {false, true}) {
        for (const bool earlier_unknown : {false, true}) {
          Answer answer;
          answer.status = status;
          answer.error_type = type;
          answer.readable = readable;
          Outcome expected = Outcome::kUnknown;
          if (status / 100 == 2) {
            expected = readable ? Outcome::kSuccess : Outcome::kUnknown;
          } else if (ProvesThatNothingWasMade(status, type) && !earlier_unknown) {
            expected = Outcome::kRejected;
          }
          ASSERT_EQ(ClassifyAnswer(answer, earlier_unknown), expected)
              << status << " type " << static_cast<int>(type) << " readable " << readable << " earlier "
              << earlier_unknown;
        }
      }
    }
  }
}

TEST(ClassifyAnswerTest, AuthenticationConflictAndRateAreNeverDefinite) {
  for (const int status : {401, 403, 409, 429}) {
    for (const ErrorType type : kTypes) {
      Answer answer;
      answer.status = status;
      answer.error_type = type;
      answer.readable = true;
      EXPECT_EQ(ClassifyAnswer(answer, false), Outcome::kUnknown) << status;
    }
  }
}

TEST(ClassifyAnswerTest, AnIdempotencyErrorIsNeverDefinite) {
  for (int status = 400; status < 600; ++status) {
    Answer answer;
    answer.status = status;
    answer.error_type = ErrorType::kIdempotencyError;
    answer.readable = true;
    EXPECT_EQ(ClassifyAnswer(answer, false), Outcome::kUnknown) << status;
  }
}

TEST(ClassifyAnswerTest, NoAnswerProvesNothing) {
  for (const TransportFailure failure : {TransportFailure::kNotSent, TransportFailure::kUnknown}) {
    Answer answer;
    answer.transport = failure;
    // Whatever else might be left in there from an answer that was cut.
    answer.status = 200;
    answer.readable = true;
    EXPECT_EQ(ClassifyAnswer(answer, false), Outcome::kUnknown);
  }
}

TEST(ParseErrorTypeTest, KnowsTheProvidersWords) {
  EXPECT_EQ(ParseErrorType(""), ErrorType::kNone);
  EXPECT_EQ(ParseErrorType("api_error"), ErrorType::kApiError);
  EXPECT_EQ(ParseErrorType("card_error"), ErrorType::kCardError);
  EXPECT_EQ(ParseErrorType("idempotency_error"), ErrorType::kIdempotencyError);
  EXPECT_EQ(ParseErrorType("invalid_request_error"), ErrorType::kInvalidRequestError);
  EXPECT_EQ(ParseErrorType("rate_limit_error"), ErrorType::kOther);
}

TEST(ShouldRetryTest, TheHeaderDecidesOverAnyStatus) {
  for (int status = 100; status < 600; ++status) {
    Answer answer;
    answer.status = status;
    answer.readable = true;
    answer.has_retry_after = true;
    answer.should_retry = true;
    EXPECT_TRUE(ShouldRetry(answer)) << status;
    answer.should_retry = false;
    EXPECT_FALSE(ShouldRetry(answer)) << status;
  }
}

TEST(ShouldRetryTest, WithoutTheHeaderByStatus) {
  for (int status = 100; status < 600; ++status) {
    for (const bool retry_after : {false, true}) {
      Answer answer;
      answer.status = status;
      answer.readable = true;
      answer.has_retry_after = retry_after;
      const bool expected = status == 409 || status >= 500 || (status == 429 && retry_after);
      EXPECT_EQ(ShouldRetry(answer), expected) << status << " retry-after " << retry_after;
    }
  }
}

TEST(ShouldRetryTest, ConnectionErrorsAndUnreadableSuccesses) {
  Answer answer;
  answer.transport = TransportFailure::kUnknown;
  EXPECT_TRUE(ShouldRetry(answer));
  answer.transport = TransportFailure::kNotSent;
  EXPECT_TRUE(ShouldRetry(answer));
  answer = Answer();
  answer.status = 200;
  EXPECT_TRUE(ShouldRetry(answer));
  answer.readable = true;
  EXPECT_FALSE(ShouldRetry(answer));
}

}  // namespace
}  // namespace billmesh::stripe
