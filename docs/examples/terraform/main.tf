# Creates the rotation stack with Terraform or OpenTofu, from the output of `make package
# BUCKET=…` that you uploaded to the bucket: see docs/many.md. The template exceeds the
# 51,200 bytes that CloudFormation accepts in a call, so it comes from S3, like the code.
#
# Neither object is a resource here. An upgrade would delete the previous release, which
# the stack needs for a rollback, and which other stacks may run.
#
# Fill in your values: the region, the secret's name, the stack's name and parameters, the
# tags.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

provider "aws" {
  region = "eu-west-1"
}

variable "bucket" {
  description = "The bucket given to make package as BUCKET, in the stack's region."
  type        = string
}

variable "template_key" {
  description = "The template's key in the bucket, as printed by make package. It differs for each release."
  type        = string
}

variable "secret_name" {
  type    = string
  default = "mautic-prod-secrets"
}

data "aws_s3_bucket" "package" {
  bucket = var.bucket
}

data "aws_secretsmanager_secret" "mautic" {
  name = var.secret_name
}

resource "aws_cloudformation_stack" "rotation" {
  name         = "mautic-secret-rotation-prod"
  template_url = "https://${data.aws_s3_bucket.package.bucket_regional_domain_name}/${var.template_key}"
  capabilities = ["CAPABILITY_IAM"]
  tags         = { application = "mautic", environment = "prod" }

  parameters = {
    FunctionName     = "mautic-rotation-prod"
    SecretArn        = data.aws_secretsmanager_secret.mautic.arn
    EcsCluster       = "mautic-prod-cluster"
    EcsService       = "mautic-prod-service"
    MauticUrl        = "https://mautic.example.com"
    SubnetIds        = "subnet-0123456789abcdef0,subnet-0123456789abcdef1"
    SecurityGroupIds = "sg-0123456789abcdef0"
    AlarmEmail       = "ops@example.com"
  }
}

output "function" {
  value = aws_cloudformation_stack.rotation.outputs["FunctionName"]
}
