#include "deploy/billctl/command_line.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/status/status.h"
#include "common/time/fake_clock.h"
#include "gtest/gtest.h"

namespace billmesh::billctl {
namespace {

class CommandLineTest : public testing::Test {
 protected:
  // Commands that say what they were given.
  std::vector<Command> Commands() {
    const auto echo = [](Context& context) -> absl::StatusOr<int> {
      for (const std::string& argument : context.arguments) context.out << argument << ";";
      context.out << context.config.Get("color") << (context.json() ? ";json" : "");
      return kExitOk;
    };
    const std::vector<config::Setting> settings = {{"color", "COLOR", config::Type::kString, "red", "a color"},
                                                   SwitchFlag("json", "as JSON")};
    return {
        {"paint", {}, "paints", settings, {}, echo},
        {"paint wall", {"WALL"}, "paints a wall", settings, {}, echo},
        {"fail",
         {},
         "fails",
         settings,
         {},
         [](Context&) -> absl::StatusOr<int> {
           return Fail(Reason::FAILURE_REASON_CATALOG_INVALID, "line 3:\nbroken", {{"line", "3"}});
         }},
        {"misuse",
         {},
         "is misused",
         settings,
         {},
         [](Context& context) -> absl::StatusOr<int> {
           RETURN_IF_ERROR(RequireFlags(context.config, {"color"}));
           return UsageError("not like this");
         }},
        {"find",
         {},
         "finds something wrong",
         settings,
         {},
         [](Context&) -> absl::StatusOr<int> { return kExitFailed; }},
    };
  }
  int Run(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    return RunCommandLine(
        Commands(), arguments,
        [this](const char* name) -> const char* {
          const auto it = environment_.find(name);
          return it == environment_.end() ? nullptr : it->second.c_str();
        },
        clock_, ids_, out_, err_);
  }
  std::map<std::string, std::string> environment_;
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  SeededIdGenerator ids_{1};
  std::ostringstream out_, err_;
};

TEST_F(CommandLineTest, TheLongestWordsWin) {
  EXPECT_EQ(Run({"paint"}), 0);
  EXPECT_EQ(out_.str(), "red");
  EXPECT_EQ(Run({"paint", "wall", "north", "--color=blue"}), 0);
  EXPECT_EQ(out_.str(), "north;blue");
}

TEST_F(CommandLineTest, FlagsWinOverTheEnvironment) {
  environment_["COLOR"] = "green";
  EXPECT_EQ(Run({"paint", "--json"}), 0);
  EXPECT_EQ(out_.str(), "green;json");
  EXPECT_EQ(Run({"paint", "--color", "blue"}), 0);
  EXPECT_EQ(out_.str(), "blue");
}

TEST_F(CommandLineTest, WrongUsageIsTwoAndOneLine) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"sing"},
                                             {"paint", "wall"},
                                             {"paint", "wall", "--color=blue"},
                                             {"paint", "extra"},
                                             {"paint", "--size=3"},
                                             {"paint", "--color"},
                                             {"misuse"}}) {
    EXPECT_EQ(Run(arguments), 2) << arguments[0];
    EXPECT_EQ(out_.str(), "");
    const std::string said = err_.str();
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }
}

TEST_F(CommandLineTest, FailuresAreOneLineWithTheirCode) {
  EXPECT_EQ(Run({"fail"}), 1);
  EXPECT_EQ(err_.str(), "billctl fail: catalog_invalid: line 3: broken\n");
  EXPECT_EQ(Run({"find"}), 1);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(CommandLineTest, HelpListsEveryCommandAndFlag) {
  EXPECT_EQ(Run({"--help"}), 0);
  EXPECT_NE(out_.str().find("paint wall WALL"), std::string::npos);
  EXPECT_EQ(Run({"paint", "wall", "--help"}), 0);
  EXPECT_NE(out_.str().find("--color"), std::string::npos);
  EXPECT_EQ(Run({}), 2);
  EXPECT_NE(err_.str().find("paint wall WALL"), std::string::npos);
}

TEST(AllCommandsTest, HaveDistinctWordsAndSoundSettings) {
  std::set<std::string> words;
  for (const Command& command : AllCommands()) {
    EXPECT_TRUE(words.insert(command.words).second) << command.words;
    EXPECT_NE(command.summary, "");
    std::set<std::string> flags;
    for (const config::Setting& setting : command.settings) {
      EXPECT_TRUE(flags.insert(setting.flag).second) << command.words << " --" << setting.flag;
      EXPECT_NE(setting.help, "") << command.words << " --" << setting.flag;
    }
    EXPECT_TRUE(flags.contains("json"));
  }
}

TEST(AllCommandsTest, EachHasItsHelp) {
  FakeClock clock(absl::FromUnixSeconds(0));
  SeededIdGenerator ids(1);
  for (const Command& command : AllCommands()) {
    std::vector<std::string> arguments;
    std::istringstream words(command.words);
    for (std::string word; words >> word;) arguments.push_back(word);
    arguments.push_back("--help");
    std::ostringstream out, err;
    EXPECT_EQ(RunCommandLine(
                  AllCommands(), arguments, [](const char*) -> const char* { return nullptr; }, clock, ids, out, err),
              0);
    EXPECT_NE(out.str().find(command.summary), std::string::npos) << command.words;
    EXPECT_EQ(err.str(), "");
  }
}

}  // namespace
}  // namespace billmesh::billctl
