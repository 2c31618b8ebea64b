# AccountService and CatalogService, as the checkout daemon links them.
billmesh_library(checkout_account
  SRCS account_page.cc account_read_store.cc account_rules.cc account_store.cc account_service.cc account_server.cc
  DEPS billmesh_common_status billmesh_common_crypto billmesh_common_ids billmesh_common_db billmesh_common_audit
       billmesh_common_auth billmesh_common_entity_access billmesh_common_rpc billmesh_proto_checkout
       nlohmann_json::nlohmann_json)
billmesh_test(checkout_account_test LABEL unit SRCS account_page_test.cc account_rules_test.cc
  DEPS billmesh_checkout_account)

billmesh_library(checkout_catalog
  SRCS catalog_diff.cc catalog_item_diff.cc catalog_verify.cc catalog_store.cc catalog_service.cc catalog_server.cc
  DEPS billmesh_common_status billmesh_common_ids billmesh_common_time billmesh_common_crypto billmesh_common_db
       billmesh_common_audit billmesh_common_auth billmesh_common_catalog billmesh_common_catalog_file
       billmesh_common_catalog_store billmesh_common_provider billmesh_common_rpc billmesh_proto_checkout
       nlohmann_json::nlohmann_json)
billmesh_test(checkout_catalog_test LABEL unit SRCS catalog_diff_test.cc
  APART catalog_verify_test.cc catalog_item_diff_test.cc
  DEPS billmesh_checkout_catalog)
