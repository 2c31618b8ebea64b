// Card numbers in text: found for logs (redact.h) and masked in what is stored (PRT-6). Thread safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace billmesh::telemetry {

// The end of the card number that starts at i, or i if none does. A card number has 13 to 19 digits of a length and
// with a beginning that card networks issue, satisfies Luhn's check, and stands together or in groups of 4-4-4… or
// 4-6-5 with one separator (space or hyphen). Digits in a long hex string or in a UUID are none. The caller makes sure
// that no digit stands before i.
size_t FindCardNumber(std::string_view text, size_t i);

// Masks card numbers in a JSON text, in place: all digits but the last four become "1000…". Its length, structure and
// types stay, numbers included; a masked text has nothing left to mask. Ids that are a whole string or a part of a
// path, and have letters among their digits ("in_1Mt…"), are left alone. Digits that are written as escapes ("\u0034")
// aren't looked for.
void MaskCardNumbers(std::string& json);

}  // namespace billmesh::telemetry
